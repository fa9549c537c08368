"""NYU Depth V2 in all its layouts: the same images, depths, normals and cameras."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_depth import CAMERA, plane_depth, unit, write_depth
from helpers.tiny_nyuv2 import NUMBERS, rooms, write_extracted, write_labeled
from PIL import Image

from vision.data import DenseAugment, NYUv2, NYUv2Normals
from vision.data.base.nyuv2 import CAMERAS
from vision.errors import ConfigError, DataError

PLAIN = DenseAugment(scale=(1, 1), hflip=0, photometric=False)
OPTIONS: dict[str, Any] = {"num_workers": 0, "augment": PLAIN}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyuv2")
    write_labeled(folder)
    write_extracted(folder)
    return folder


@pytest.mark.parametrize("layout", ["auto", "labeled", "folders"])
def test_the_layouts_hold_the_same(root: Path, layout: Any) -> None:
    images, depths, _ = rooms()
    data = NYUv2(root=root, layout=layout, **OPTIONS)
    data.setup("fit")
    assert data.is_labeled == (layout != "folders")
    for name, dataset in (("trainNdxs", data.train_dataset), ("testNdxs", data.val_dataset)):
        assert dataset is not None
        assert len(dataset) == len(NUMBERS[name])  # type: ignore[arg-type]
        for place, number in enumerate(NUMBERS[name]):
            sample = dataset[place]
            np.testing.assert_array_equal(sample["image"].permute(1, 2, 0), images[number - 1])
            np.testing.assert_allclose(sample["depth"], depths[number - 1], atol=6e-4)
            assert sample["path"].endswith(f"{number:05d}.png")
    assert data.summary() == {"train": {"images": 4}, "val": {"images": 2}}


def test_raw_depth_has_its_holes(root: Path) -> None:
    data = NYUv2(root=root, depth="raw", layout="labeled", **OPTIONS)
    data.setup("validate")
    assert data.val_dataset is not None
    assert (data.val_dataset[0]["depth"] == 0).sum() == 12


def test_folders_of_scenes(tmp_path: Path) -> None:
    images, depths, _ = rooms()
    for split, numbers in (("train", (1, 2)), ("test", (3,))):
        folder = tmp_path / "official_splits" / split / "kitchen"
        for number in numbers:
            write_depth(folder / f"sync_depth_{number:05d}.png", depths[number])
            Image.fromarray(images[number]).save(folder / f"rgb_{number:05d}.jpg", quality=100)
    data = NYUv2(root=tmp_path, **OPTIONS)
    data.setup("fit")
    assert data.train_dataset is not None
    np.testing.assert_allclose(data.train_dataset[1]["depth"], depths[2], atol=6e-4)
    (tmp_path / "official_splits/train/kitchen/sync_depth_00002.png").unlink()
    with refuses(DataError, "rgb_00002.jpg' has no depth map", "sync_depth_00002.png"):
        NYUv2(root=tmp_path, **OPTIONS).setup("fit")


@pytest.mark.parametrize("layout", ["labeled", "folders"])
def test_normals_of_files(root: Path, layout: Any) -> None:
    _, _, normals = rooms()
    data = NYUv2Normals(root=root, layout=layout, **OPTIONS)
    data.setup("fit")
    assert data.val_dataset is not None
    for place, number in enumerate(NUMBERS["testNdxs"]):
        sample = data.val_dataset[place]
        np.testing.assert_allclose(sample["normals"], normals[number - 1], atol=0.01)
        assert "depth" not in sample


def test_normals_of_the_depth(tmp_path: Path) -> None:
    _, _, normals = rooms()
    write_labeled(tmp_path)
    with refuses(ConfigError, "00002.png", "data.camera"):
        NYUv2Normals(root=tmp_path, **OPTIONS).setup("fit")
    data = NYUv2Normals(root=tmp_path, camera=CAMERA, window=3, **OPTIONS)
    data.setup("fit")
    assert data.train_dataset is not None
    sample = data.train_dataset[0]
    wanted = torch.from_numpy(normals[NUMBERS["trainNdxs"][0] - 1]).float()
    cosines = (sample["normals"] * wanted).sum(dim=0)
    assert cosines.median() > 0.9999
    assert sample["camera"].tolist() == [*CAMERA]
    (tmp_path / "normals").mkdir()
    with refuses(DataError, "normals' has no file with a number"):
        NYUv2Normals(root=tmp_path, **OPTIONS).setup("fit")
    np.save(tmp_path / "normals" / "7.npy", normals[0].transpose(1, 2, 0))
    with refuses(DataError, "no file of the number 2"):
        NYUv2Normals(root=tmp_path, **OPTIONS).setup("fit")
    np.save(tmp_path / "normals" / "2.npy", normals[0][:, 1:].transpose(1, 2, 0))
    with refuses(DataError, "2.npy' is 23 x 32", "00002.png' is 24 x 32"):
        NYUv2Normals(root=tmp_path, **OPTIONS).setup("fit")


def test_the_camera_of_the_toolbox_is_that_of_whole_images(tmp_path: Path) -> None:
    size, normal = (480, 640), unit([0.2, -0.3, -1])
    depth = plane_depth(normal, 3, size=size, camera=CAMERAS[size])
    for split, color in (("train", "blue"), ("test", "red")):
        for name in ("depth", "images"):
            (tmp_path / name / split).mkdir(parents=True)
        np.save(tmp_path / "depth" / split / "1.npy", depth)
        Image.new("RGB", size[::-1], color).save(tmp_path / "images" / split / "1.png")
    data = NYUv2Normals(root=tmp_path, **OPTIONS)
    data.setup("validate")
    assert data.val_dataset is not None
    sample = data.val_dataset[0]
    np.testing.assert_allclose(sample["camera"], CAMERAS[size], rtol=1e-6)
    cosines = (sample["normals"] * torch.tensor(normal).float()[:, None, None]).sum(dim=0)
    assert cosines.median() > 0.9999


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with refuses(DataError, "no images of NYUv2", "nyu_depth_v2_labeled.mat", "official_splits"):
        NYUv2(root=tmp_path, **OPTIONS).setup("fit")
