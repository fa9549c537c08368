"""nuScenes as a datamodule: images of cameras with what is seen in them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_nuscenes import OPTIONS, VERSION, write_nuscenes

from vision.annotations.nuscenes_names import CAMERAS, CLASSES
from vision.data import NuScenes
from vision.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


def test_each_image_is_a_sample(root: Path) -> None:
    data = NuScenes(root=root, num_workers=0, batch_size=2, **OPTIONS)
    data.setup("fit")
    assert data.class_names == CLASSES
    assert len(data.train_dataset) == 2 * 2 * 6
    assert len(data.val_dataset) == 2 * 6
    assert "/samples/CAM_FRONT/" in data.val_dataset.paths[0]
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (2, 3, 64, 96)
    truth = batch["truth"][0]
    assert truth["names"] == ["car", "motorcycle", "human.pedestrian.stroller"]
    assert truth["labels"].tolist() == [CLASSES.index("car"), CLASSES.index("motorcycle"), -1]
    torch.testing.assert_close(truth["velocity"][0], torch.tensor([0.0, 4.0]), atol=1e-5, rtol=0)
    batch = next(iter(data.train_dataloader()))
    labels = {int(label) for target in batch["target"] for label in target["labels"]}
    assert labels <= {CLASSES.index(name) for name in ("car", "motorcycle", "truck")}


def test_cameras_and_scenes_are_chosen(root: Path, tmp_path: Path) -> None:
    scenes = tmp_path / "mine.txt"
    scenes.write_text("scene-0001\n")
    data = NuScenes(
        root=root, cameras=["CAM_BACK"], val_scenes=scenes, trained=["truck"], **OPTIONS
    )
    data.setup("validate")
    assert len(data.val_dataset) == 2
    assert data.val_dataset[0]["truth"]["names"] == ["truck"]
    with refuses(ConfigError, "CAM_BAK", "CAM_BACK"):
        NuScenes(root=root, cameras=["CAM_BAK"], **OPTIONS)
    with refuses(ConfigError, "no camera", *CAMERAS):
        NuScenes(root=root, cameras=[], **OPTIONS)


def test_sets_without_annotations_are_predicted(root: Path, tmp_path: Path) -> None:
    (tmp_path / VERSION).mkdir()
    for path in (root / VERSION).iterdir():
        empty = path.stem in ("sample_annotation", "instance")
        (tmp_path / VERSION / path.name).write_text("[]" if empty else path.read_text())
    for name in ("splits", "samples"):
        (tmp_path / name).symlink_to(root / name)
    data = NuScenes(root=tmp_path, **OPTIONS)
    data.setup("predict")
    assert len(data.predict_dataset) == 12
    assert "truth" not in data.predict_dataset[0]
    with refuses(DataError, "no labels"):
        NuScenes(root=tmp_path, **OPTIONS).setup("validate")


def test_absent_parts_are_named(root: Path, tmp_path: Path) -> None:
    with refuses(DataError, "v1.0-trainval", "ROOT/splits"):
        NuScenes(root=root, image_size=(64, 96)).setup("fit")
    copy = tmp_path / VERSION
    copy.mkdir()
    for path in (root / VERSION).iterdir():
        (copy / path.name).write_text(path.read_text())
    with refuses(DataError, "list of scenes", "train.txt"):
        NuScenes(root=tmp_path, **OPTIONS).setup("fit")
    (tmp_path / "splits").symlink_to(root / "splits")
    records = json.loads((copy / "sample_data.json").read_text())
    for record in records:
        if record["filename"].startswith("samples/CAM_FRONT/"):
            record["filename"] = "../secret.jpg"
    (copy / "sample_data.json").write_text(json.dumps(records))
    with refuses(DataError, "sample_data.json", "'../secret.jpg'", "leads out"):
        NuScenes(root=tmp_path, **OPTIONS).setup("fit")


def test_a_broken_table_is_told_once(root: Path, tmp_path: Path) -> None:
    for name in (VERSION, "splits", "samples"):
        shutil.copytree(root / name, tmp_path / name)
    path = tmp_path / VERSION / "sample_annotation.json"
    records = json.loads(path.read_text())
    records[0]["size"] = [1, 0, 2]
    path.write_text(json.dumps(records))
    (problem,) = NuScenes(root=tmp_path, num_workers=0, **OPTIONS).problems()
    assert records[0]["token"] in problem
    assert "'size' is [1, 0, 2]" in problem
