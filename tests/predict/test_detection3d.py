"""Predictions of boxes in space: equal to a validation's, files, cameras, what a result gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import CAR, CYCLIST, NAMES, annotate, sure_detection3d
from helpers.tiny_kitti import OPTIONS, write_kitti_objects
from helpers.tiny_monocular import CAMERA
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_task import quiet_trainer
from helpers.validated import validated

from vision.annotations.kitti import parse_objects, read_objects
from vision.callbacks.results.boxes3d_predictions import Boxes3DPredictions
from vision.data.datasets.kitti import KITTI
from vision.errors import ConfigError, DataError
from vision.metrics.kitti.files import evaluate_kitti
from vision.ops.boxes3d import from_kitti
from vision.predict.detection3d import Boxes3DResult
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.predictor import Predictor
from vision.tasks.detection3d import Detection3D

KEYS = ("boxes3d", "boxes", "alpha", "scores")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti_objects(tmp_path_factory.mktemp("data"), train=1, val=3)


@pytest.fixture(scope="module")
def task() -> Detection3D:
    """Its boxes are large enough to count."""
    task = sure_detection3d()
    task.head.predictions[-1].sizes.layers[-1].bias.data += 2.0  # type: ignore[union-attr, index]
    return task


@pytest.fixture(scope="module")
def data(root: Path) -> KITTI:
    return KITTI(root=root, batch_size=2, **{**OPTIONS, "image_size": (64, 96)})


@pytest.fixture
def images(root: Path) -> list[str]:
    names = (root / "ImageSets" / "val.txt").read_text().split()
    return [str(root / "training" / "image_2" / f"{name}.png") for name in names]


def test_predict_equals_validation(
    root: Path,
    task: Detection3D,
    data: KITTI,
    images: list[str],
    tmp_path: Path,
) -> None:
    expected = validated(task, data, tmp_path)
    model = Model(task, task.describe())
    for batch_size in (1, 2):
        results = list(
            model.predict(
                images, camera=root / "training" / "calib", batch_size=batch_size, threshold=0.0
            )
        )
        assert [result.path for result in results] == sorted(expected)
        for result in results:
            assert isinstance(result, Boxes3DResult)
            one = expected[str(result.path)]
            assert torch.equal(result.labels, one["labels"])
            for key in KEYS:
                torch.testing.assert_close(getattr(result, key), one[key], rtol=1e-5, atol=1e-5)
            assert len(result) == 4


def test_a_folder_is_what_the_evaluation_reads(
    root: Path, task: Detection3D, data: KITTI, images: list[str], tmp_path: Path
) -> None:
    """The files of both ways, and the numbers that a validation logs."""
    quiet_trainer(tmp_path).validate(task, data, verbose=False)
    assert task.kitti_result is not None
    model, labels = Model(task, task.describe()), root / "training" / "label_2"
    options = PredictOptions(threshold=0.0, camera=root / "training" / "calib")
    summary = predict_folder(model, images, tmp_path / "found", options, pictures=False)
    assert {"predictions.json", "images.json", "kitti"} <= {*summary.files}
    found = evaluate_kitti(
        labels, tmp_path / "found" / "kitti", classes=["Car"], split=root / "ImageSets" / "val.txt"
    )
    np.testing.assert_array_equal(found.curves, task.kitti_result.curves)
    lines = (tmp_path / "found" / "predictions.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["file"] == f"kitti/{Path(images[0]).stem}.txt"
    table = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert len(table) == 12
    assert {"bbox", "score", "center", "size", "yaw", "alpha"} <= {*table[0]}


def test_the_writer_of_predict_writes_the_same(
    root: Path, task: Detection3D, tmp_path: Path
) -> None:
    data = KITTI(
        root=root,
        predict_root=root / "testing" / "image_2",
        **{**OPTIONS, "image_size": (64, 96)},
    )
    writer = Boxes3DPredictions(tmp_path / "callback")
    quiet_trainer(tmp_path, callbacks=[writer]).predict(task, data, return_predictions=False)
    (line,) = (tmp_path / "callback" / "predictions.jsonl").read_text().splitlines()
    written = json.loads(line)
    model = Model(task, task.describe())
    (result,) = model.predict(
        root / "testing" / "image_2", camera=root / "testing" / "calib", threshold=0.0
    )
    assert isinstance(result, Boxes3DResult)
    for mine, theirs in zip(written["objects"], result.to_dict()["objects"], strict=True):
        assert mine["name"] == theirs["name"]
        assert mine["center"] == pytest.approx(theirs["center"], rel=1e-5, abs=1e-5)
    text = (tmp_path / "callback" / "kitti" / "000000.txt").read_text()
    assert text == result.to_kitti()


def test_a_missing_camera_says_how_to_give_it(task: Detection3D, images: list[str]) -> None:
    model = Model(task, task.describe())
    with refuses(ConfigError, "calibration", "camera=", "--camera", "focal length"):
        model.predict(images)
    with refuses(ConfigError, "tile=32", "Detection3D"):
        model.predict(images, camera=700, tile=32)
    with refuses(ConfigError, "Classification", "camera"):
        tiny_model("classification").predict(images, camera=700)


def test_a_predictor_is_not_changed_by_a_source(task: Detection3D, images: list[str]) -> None:
    """Two sources with other cameras may be read in turn."""
    model = Model(task, task.describe())
    near, far = (model.predict(images[:2], camera=focal, threshold=0.0) for focal in (50, 500))
    pairs = [(next(near), next(far)) for _ in range(2)]
    for a, b in pairs:
        assert isinstance(a, Boxes3DResult)
        assert isinstance(b, Boxes3DResult)
        assert (a.projection[0, 0], b.projection[0, 0]) == (50, 500)
    predictor: Any = model.predictor
    assert isinstance(predictor, Predictor)
    assert predictor.cameras is None
    assert model.embed(images).shape == (3, task.backbone.feature_specs[-1].channels)


def two_objects(names: tuple[str, ...] = tuple(NAMES)) -> Boxes3DResult:
    truth = annotate(torch.cat([CAR, CYCLIST]), ["Car", "Cyclist"])
    return Boxes3DResult(
        image=torch.full((3, 375, 1242), 100, dtype=torch.uint8),
        path="b.png",
        index=1,
        names=names,
        boxes3d=truth["boxes3d"],
        boxes=truth["boxes"],
        alpha=truth["alpha"],
        labels=truth["labels"],
        scores=torch.tensor([1.3, 0.4]),
        projection=CAMERA,
    )


def test_what_a_result_gives(tmp_path: Path) -> None:
    result = two_objects()
    assert len(result) == 2
    assert repr(result) == (
        "Boxes3DResult(b.png, 375 x 1242: 1 Car, 1 Cyclist, the nearest at 9.0 m)"
    )
    assert result.labels_found() == ["Car", "Cyclist"]
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["objects"][0]["size"] == pytest.approx([3.9, 1.6, 1.7])
    assert plain["objects"][1]["center"] == pytest.approx([-3.0, 1.2, 9.0])
    objects = parse_objects(result.to_kitti(), "text", scored=True)
    again = from_kitti(
        torch.from_numpy(np.column_stack([objects.sizes, objects.locations, objects.rotation]))
    )
    torch.testing.assert_close(again.float(), result.boxes3d, rtol=0, atol=0.0051)
    path = result.save_kitti(tmp_path / "new" / "b.txt")
    assert read_objects(path, scored=True).scores.tolist() == [1.3, 0.4]
    (car, _) = result.to_coco(image_id=5, category_ids=[1, 2, 3])
    assert (car["image_id"], car["category_id"], car["yaw"]) == (5, 2, pytest.approx(0.4))
    given = result.to_supervision()
    assert isinstance(given, supervision.Detections)
    assert given.data["box3d"].shape == (2, 7)
    whole, without = (np.asarray(result.plot(threshold=t)) for t in (0.0, 2.0))
    assert whole.shape == without.shape
    assert whole.shape[1] > 1242
    assert (whole[:, :1242] != without[:, :1242]).any()
    assert (whole[:, 1260:] != without[:, 1260:]).any()


def test_nothing_found_is_a_result_too() -> None:
    result = two_objects(())
    for key in ("boxes3d", "boxes", "alpha", "labels", "scores"):
        setattr(result, key, getattr(result, key)[:0])
    assert repr(result) == "Boxes3DResult(b.png, 375 x 1242: no objects)"
    assert result.to_dict()["objects"] == []
    assert len(result.to_supervision()) == 0
    assert result.plot().size[0] > 1242


def test_classes_that_kitti_lacks_have_no_text(task: Detection3D, tmp_path: Path) -> None:
    with refuses(ConfigError, "'Boat'", "class_names"):
        two_objects(("Pedestrian", "Boat", "Cyclist")).to_kitti()
    (tmp_path / "file").touch()
    with refuses(DataError, "cannot be written"):
        two_objects().save_kitti(tmp_path / "file" / "a.txt")
    model = tiny_model("detection3d")
    write_pictures(tmp_path / "in", ("a.png",))
    options = PredictOptions(threshold=0.0, camera=60)
    summary = predict_folder(model, str(tmp_path / "in"), tmp_path / "out", options)
    assert "kitti" not in summary.files
    assert (tmp_path / "out" / "pictures" / "a.png").is_file()
