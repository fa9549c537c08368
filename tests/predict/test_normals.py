"""Predictions of normals: equal to a validation's, the methods and files of a result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_dense import tiny_dense
from helpers.tiny_depth import write_depth_folder
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.data.datasets.normals_folder import NormalsFolder
from vision.errors import ConfigError
from vision.metrics.file_pairs import pair_files
from vision.metrics.normals_files import evaluate_normals
from vision.ops.normal_maps import EXTENSIONS, read_normals
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.normals import NormalsResult
from vision.predict.normals_view import NormalsView
from vision.predict.options import PredictOptions


def result_of(vectors: list[tuple[float, float, float]], **more: Any) -> NormalsResult:
    """A result of one row."""
    normals = torch.tensor(vectors, dtype=torch.float32).T[:, None].contiguous()
    image = torch.zeros(3, 1, len(vectors), dtype=torch.uint8)
    return NormalsResult(image=image, path="b.png", index=1, names=(), normals=normals, **more)


def test_predict_equals_validation_and_its_files_are_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_depth_folder(tmp_path / "data", size=(40, 60))
    data = NormalsFolder(root=folder, short_side=48, long_side=80, batch_size=2, num_workers=0)
    task = tiny_dense("normals", flip=True)
    expected: dict[str, torch.Tensor] = {}
    step = task.evaluate

    def keep(stage: str, outputs: Any, batch: Any) -> Any:
        expected.update(zip(batch["path"], [one["normals"] for one in outputs], strict=True))
        return step(stage, outputs, batch)

    monkeypatch.setattr(task, "evaluate", keep)
    (logged,) = quiet_trainer(tmp_path).validate(task, data, verbose=False)
    model = Model(task, task.describe())
    for result in model.predict(folder / "images" / "val", batch_size=1):
        assert isinstance(result, NormalsResult)
        assert result.normals.shape == (3, 40, 60)
        assert result.normals == pytest.approx(expected[str(result.path)], abs=1e-5)
        assert result.normals.norm(dim=0) == pytest.approx(1, abs=1e-5)
    predict_folder(model, str(folder / "images" / "val"), tmp_path / "out", PredictOptions())
    pairs = pair_files(
        folder / "normals" / "val", tmp_path / "out" / "normals", extensions=EXTENSIONS
    )
    for name, value in evaluate_normals(pairs)[0].scalars().items():
        assert value == pytest.approx(logged[f"val/{name}"], rel=1e-3, abs=1e-3)


def test_tiles_are_unit_vectors(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, ("a.png",), (70, 90))
    result = tiny_model("normals").predict_image(path, tile=48)
    assert isinstance(result, NormalsResult)
    assert result.normals.shape == (3, 70, 90)
    assert result.normals.norm(dim=0) == pytest.approx(1, abs=1e-5)


def test_what_a_result_gives() -> None:
    result = result_of([(0, 0, -1), (0, -0.6, -0.8), (0, -0.8, -0.6), (1, 0, 0)])
    assert result.shares() == {"camera": 0.5, "up": 0.25, "right": 0.25, "down": 0, "left": 0}
    plain = json.loads(json.dumps(result.to_dict()))["normals"]
    assert plain["mean"] == pytest.approx([0.25, -0.35, -0.6])
    assert repr(result) == "NormalsResult(b.png, 1 x 4: 50% camera, 25% up, 25% right)"
    assert np.asarray(result.plot())[0, [0, 3]].tolist() == [[128, 128, 0], [255, 128, 128]]
    assert np.asarray(result.plot(opacity=0.5))[0, 0].tolist() == [64, 64, 0]


def test_files_hold_a_drawing_or_the_normals(tmp_path: Path) -> None:
    result = result_of([(0, 0, -1), (0, -0.6, -0.8)])
    with Image.open(result.save(tmp_path / "drawn.png")) as image:
        assert np.asarray(image)[0, 0].tolist() == [128, 128, 0]
    for file in (result.save(tmp_path / "a.png", "normals"), result.save(tmp_path / "a.npy")):
        expected = result.normals.permute(1, 2, 0).numpy()
        assert read_normals(file) == pytest.approx(expected, abs=2e-5)
    with refuses(ConfigError, "a.jpg", ".npy"):
        result.save(tmp_path / "a.jpg", "normals")


def test_the_page_shows_directions_in_their_colours() -> None:
    view = NormalsView(0)
    result = result_of([(0, 0, -1), (0, 0, -1), (0, -1, 0), (0, 1, 0)])
    assert view.rows(result, 1.0)[:2] == [["faces the camera", 0.5], ["faces up", 0.25]]
    markup = view.summary(result, 1.0)
    assert "rgb(128,128,0)" in markup
    assert "50.0%" in markup
