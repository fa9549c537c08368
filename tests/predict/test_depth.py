"""Predictions of depth: equal to a validation's, tiles, the methods and files of a result."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_dense import tiny_dense
from helpers.tiny_depth import CAMERA, write_depth_folder
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.data.datasets.depth_folder import DepthFolder
from vision.draw.depth import DepthSpan, depth_span
from vision.errors import ConfigError
from vision.metrics.depth_files import evaluate_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.file_pairs import pair_files
from vision.ops.camera import project
from vision.ops.depth_maps import EXTENSIONS, read_depth
from vision.ops.depth_scale import SCALE_KEY
from vision.predict.depth import DepthPredictor, DepthResult
from vision.predict.depth_view import DepthView
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.options import PredictOptions


def result_of(depth: torch.Tensor, **more: Any) -> DepthResult:
    height, width = depth.shape
    image = torch.arange(3 * height * width).view(3, height, width).to(torch.uint8)
    return DepthResult(image=image, path="b.png", index=1, names=(), depth=depth, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_folder(tmp_path_factory.mktemp("depth"), size=(40, 60))


def test_predict_equals_validation_and_its_files_are_evaluated(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DepthFolder(
        root=folder, scale=1000, short_side=48, long_side=80, batch_size=2, num_workers=0
    )
    task = tiny_dense()
    expected: dict[str, torch.Tensor] = {}
    step = task.evaluate

    def keep(stage: str, outputs: Any, batch: Any) -> Any:
        expected.update(zip(batch["path"], [one["depth"] for one in outputs], strict=True))
        return step(stage, outputs, batch)

    monkeypatch.setattr(task, "evaluate", keep)
    (logged,) = quiet_trainer(tmp_path).validate(task, data, verbose=False)
    model = Model(task, task.describe())
    results = list(model.predict(folder / "images" / "val", batch_size=2))
    assert [result.path for result in results] == sorted(expected)
    for result in results:
        assert isinstance(result, DepthResult)
        assert result.depth.shape == (40, 60)
        assert result.depth == pytest.approx(expected[str(result.path)], rel=1e-5)
    predict_folder(model, str(folder / "images" / "val"), tmp_path / "out", PredictOptions())
    pairs = pair_files(folder / "depth" / "val", tmp_path / "out" / "depth", extensions=EXTENSIONS)
    scores = evaluate_depth(pairs, DepthProtocol(), annotation_scale=1000).scalars()
    # Files hold millimetres.
    for name, value in scores.items():
        assert value == pytest.approx(logged[f"val/{name}"], rel=2e-3, abs=1e-3)
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["depth/0.png", "depth/1.png"]
    assert (tmp_path / "out" / "pictures" / "0.png").is_file()


def test_tiles_are_blended_and_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny_model("depth")
    (path,) = write_pictures(tmp_path, ("a.png",), (70, 90))
    with caplog.at_level(logging.WARNING):
        tiled = model.predict_image(path, tile=(48, 64), overlap=0.25)
        model.predict_image(path, tile=48)
    assert [record.message for record in caplog.records if "drift" in record.message]
    assert sum("drift" in record.message for record in caplog.records) == 1
    task: Any = model.task
    with torch.no_grad():
        images = task.normalize(tiled.image[None])
        expected = task.run_tiled(images, (70, 90), tile=(48, 64), overlap=0.25)[0]
    assert torch.equal(tiled.depth, expected)  # type: ignore[attr-defined]
    whole = model.predict_image(path, tile=100)
    assert torch.equal(whole.depth, model.predict_image(path).depth)  # type: ignore[attr-defined]


@pytest.mark.parametrize("shape", [(1, 40), (300, 2)])
@pytest.mark.parametrize("tile", [None, 50])
def test_thin_images_have_depth_too(shape: tuple[int, int], tile: int | None) -> None:
    result = tiny_model("depth").predict_image(np.full((*shape, 3), 200, np.uint8), tile=tile)
    assert isinstance(result, DepthResult)
    assert result.depth.shape == shape
    assert bool((result.depth > 0).all())


def test_what_a_result_gives() -> None:
    depth = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 5.0]])
    result = result_of(depth)
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["depth"] == {"min": 1, "median": 3, "max": 5, "share": pytest.approx(5 / 6)}
    assert repr(result) == "DepthResult(b.png, 2 x 3: 1.00 to 5.00 m, median 3.00 m)"
    nothing = result_of(torch.zeros(2, 3))
    assert nothing.to_dict()["depth"] == {"min": None, "median": None, "max": None, "share": 0}
    assert "no depth" in repr(nothing)
    assert result.plot().size[1] > 2  # the scale is below
    with refuses(ConfigError, "DepthResult", "to_dict"):
        result.to_coco()


def test_files_hold_a_drawing_or_the_depth(tmp_path: Path) -> None:
    depth = torch.rand(20, 30) + 1
    result = result_of(depth, scale=256.0)
    drawn = result.save(tmp_path / "a" / "drawn.png")
    with Image.open(drawn) as image:
        assert image.mode == "RGB"
    stored = result.save(tmp_path / "depth.png", "depth")
    with Image.open(stored) as image:
        assert float(image.text[SCALE_KEY]) == 256
    assert np.abs(read_depth(stored, None) - depth.numpy()).max() <= 0.5 / 256 + 1e-6
    assert np.array_equal(np.load(result.save(tmp_path / "a.npy")), depth.numpy())
    with refuses(ConfigError, "form='metres'", "drawing", "depth"):
        result.save(tmp_path / "a.png", "metres")  # type: ignore[arg-type]
    with refuses(ConfigError, "a.jpg", ".npy"):
        result.save(tmp_path / "a.jpg", "depth")


def test_points_are_seen_where_their_pixels_are(tmp_path: Path) -> None:
    depth = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 5.0]])
    result = result_of(depth)
    cloud = result.to_points(CAMERA, path=tmp_path / "a.ply")
    rows, columns = np.nonzero(depth.numpy())
    places = project(cloud.points, np.array(CAMERA))
    assert places == pytest.approx(np.stack([columns, rows], axis=1), abs=1e-4)
    assert cloud.points[:, 2] == pytest.approx(depth.numpy()[rows, columns])
    assert np.array_equal(cloud.colors, result.image.permute(1, 2, 0).numpy()[rows, columns])
    head, _, body = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 5\n" in head
    assert np.frombuffer(body, "<f4,<f4,<f4,u1,u1,u1")[1][2] == 2.0
    assert len(result.to_points(CAMERA, max_depth=3)) == 3
    with refuses(ConfigError, "camera", "fx, fy, cx, cy"):
        result.to_points((0, 1, 2, 3))


def test_the_colours_of_a_video_follow_slowly() -> None:
    draw = DepthPredictor.frame_drawer(tiny_model("depth").predictor)
    near, far = (torch.linspace(low, low + 1, 200 * 260).view(200, 260) for low in (1.0, 9.0))
    first, second = (np.asarray(draw(result_of(depth))).astype(int) for depth in (near, far))
    assert first.shape == (200, 260, 3)
    # The far frame is drawn in the colours of the near one: all of it is dark.
    dark = np.asarray(result_of(far).plot(span=DepthSpan(1.0, 2.5))).astype(int)[:150]
    assert np.abs(second[:150] - dark).mean() < 3
    for _ in range(80):
        last = np.asarray(draw(result_of(far))).astype(int)
    settled = np.asarray(result_of(far).plot(span=depth_span(far))).astype(int)
    assert np.abs(last[:150] - settled[:150]).mean() < 3


def test_the_page_shows_shares_by_distance() -> None:
    view = DepthView(0)
    result = result_of(torch.linspace(1, 5, 4000).view(40, 100))
    rows = view.rows(result, 1.0)
    assert [name for name, _ in rows] == [
        *("below 1.5 m", "1.5 to 2 m", "2 to 2.5 m", "2.5 to 3 m", "3 to 3.5 m", "3.5 to 4 m"),
        *("4 to 4.5 m", "above 4.5 m"),
    ]
    assert sum(float(share) for _, share in rows) == pytest.approx(1, abs=1e-3)
    assert "median 3.00 m" in view.summary(result, 1.0)
    assert view.summary(result_of(torch.zeros(4, 4)), 1.0) == "<h3>no depth</h3>"
    assert np.array_equal(np.asarray(view.draw(result, 0.5)), np.asarray(result.plot(opacity=0.5)))
