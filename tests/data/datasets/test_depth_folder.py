"""Folders of depth and of normals: formats, cameras, splits, samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_depth import CAMERA, SIZE, scene, write_depth_folder

from vision.data import DenseAugment, DepthFolder, NormalsFolder
from vision.errors import ConfigError, DataError

PLAIN = DenseAugment(scale=(1, 1), hflip=0, photometric=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_folder(tmp_path_factory.mktemp("rooms"))


def depth_folder(root: Path, **options: Any) -> DepthFolder:
    return DepthFolder(root=root, **{"num_workers": 0, "scale": 1000, "augment": PLAIN, **options})


def test_samples_have_metres_and_a_camera(root: Path) -> None:
    data = depth_folder(root, batch_size=2)
    data.setup("fit")
    assert data.val_dataset is not None
    sample = data.val_dataset[1]
    np.testing.assert_allclose(sample["depth"], scene(5)[0], atol=6e-4)
    assert sample["camera"].tolist() == [*CAMERA]
    assert sample["path"] == str(root / "images" / "val" / "1.png")
    assert sample["original_size"].tolist() == [*SIZE]
    batch = next(iter(data.train_dataloader()))
    assert batch["depth"].shape == (2, *SIZE)
    assert batch["camera"].shape == (2, 4)
    assert data.kind == "depth"
    data.setup("predict")
    assert data.predict_dataset is not None
    assert {*data.predict_dataset[0]} == {"image", "original_size", "path"}


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm"])
def test_floats_are_metres_or_of_a_scale(root: Path, suffix: str, tmp_path: Path) -> None:
    copy = write_depth_folder(tmp_path)
    for seed, path in enumerate(sorted((copy / "depth").rglob("*.png"))):
        path.unlink()
        depth = scene(seed)[0].astype(np.float32)
        if suffix == ".pfm":
            rows = depth[::-1].astype("<f4").tobytes()
            path.with_suffix(suffix).write_bytes(b"Pf\n32 24\n-1.0\n" + rows)
        elif suffix == ".npz":
            np.savez(path.with_suffix(suffix), 100 * depth)
        else:
            np.save(path.with_suffix(suffix), depth)
    data = depth_folder(copy, scale=100 if suffix == ".npz" else None)
    data.setup("validate")
    assert data.val_dataset is not None
    np.testing.assert_allclose(data.val_dataset[0]["depth"], scene(4)[0], rtol=1e-6)
    with refuses(ConfigError, "0.png", "data.scale", "1000"):
        depth_folder(root, scale=None).setup("validate")


def test_normals_of_files_and_of_depth_agree(root: Path) -> None:
    options: dict[str, Any] = {"root": root, "num_workers": 0, "augment": PLAIN}
    files = NormalsFolder(**options)
    computed = NormalsFolder(**options, from_depth=True, scale=1000, window=5)
    for data in (files, computed):
        data.setup("fit")
    for place in range(4):
        one, other = (data.train_dataset[place]["normals"] for data in (files, computed))  # type: ignore[index]
        assert one.shape == other.shape == (3, *SIZE)
        np.testing.assert_allclose(one, scene(place)[1], atol=0.01)
        known = (other != 0).any(dim=0)
        angles = torch.rad2deg(torch.arccos((one * other).sum(dim=0).clamp(-1, 1)))[known]
        assert known.float().mean() > 0.95
        # Depth is rounded to millimetres, the normals of files to 1/255.
        assert angles.median() < 1.5


def test_normals_of_depth_need_a_camera(tmp_path: Path) -> None:
    root = write_depth_folder(tmp_path)
    (root / "camera.txt").unlink()
    data = NormalsFolder(root=root, from_depth=True, scale=1000, num_workers=0)
    with refuses(ConfigError, "train/0.png", "data.camera", "[fx, fy, cx, cy]"):
        data.setup("fit")
    # A depth dataset does without.
    plain = depth_folder(root)
    plain.setup("validate")
    assert plain.val_dataset is not None
    assert "camera" not in plain.val_dataset[0]


def test_a_share_is_held_out_where_there_are_no_splits(tmp_path: Path) -> None:
    root = write_depth_folder(tmp_path / "a")
    for kind in ("images", "depth", "normals"):
        for split in ("train", "val"):
            for path in (root / kind / split).iterdir():
                path.rename(root / kind / f"{split}_{path.name}")
            (root / kind / split).rmdir()
    data = depth_folder(root, val_fraction=0.34)
    data.setup("fit")
    held, kept = ([*data.index(split).images] for split in ("val", "train"))
    assert (len(held), len(kept)) == (2, 4)
    assert not {*held} & {*kept}


@pytest.mark.parametrize(
    ("cls", "options", "part"),
    [
        (DepthFolder, {"scale": 0}, "scale=0"),
        (DepthFolder, {"median_range": (5, 1)}, "median_range=(5, 1)"),
        (DepthFolder, {"camera": [1, 2, 3]}, "data.camera=[1, 2, 3]"),
        (NormalsFolder, {"negate": ["w"]}, "negate='w'"),
        (NormalsFolder, {"window": 1}, "window=1"),
        (NormalsFolder, {"max_slant": 90}, "max_slant=90"),
    ],
)
def test_wrong_options_are_named(cls: type, options: dict[str, Any], part: str, root: Path) -> None:
    with refuses((ConfigError, DataError), part):
        cls(root=root, num_workers=0, **{"scale": 1000, **options}).setup("fit")
