"""The composed NYUv2: the file of all, the files of each and the rooms say the same."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from vision.data.synthetic import nyuv2
from vision.data.synthetic.nyuv2 import LABELED, LISTS, write_nyuv2
from vision.data.synthetic.space_render import CLASSES, view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.ops.depth_maps import read_depth
from vision.ops.normal_maps import read_normals

SAMPLES = RoomSamples(train=3, val=2, size=96, seed=6)
SHAPE = (72, 96)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyuv2") / "samples"
    assert write_nyuv2(folder, SAMPLES) == {"train": (3, 3), "val": (2, 2)}
    return folder


def test_the_split_counts_from_one(root: Path) -> None:
    lists = loadmat(root / LISTS)
    assert lists["trainNdxs"].tolist() == [[1], [2], [3]]
    assert lists["testNdxs"].tolist() == [[4], [5]]


def test_the_labelled_file_is_as_matlab_writes_it(root: Path) -> None:
    h5py = pytest.importorskip("h5py")
    begin = (root / LABELED).read_bytes()[:520]
    assert begin.startswith(b"MATLAB 7.3 MAT-file")
    assert begin[124:128] == b"\x00\x02IM"
    assert begin[512:520] == b"\x89HDF\r\n\x1a\n"
    with h5py.File(root / LABELED) as file:
        height, width = SHAPE
        shapes = {name: file[name].shape for name in ("images", "depths", "rawDepths", "labels")}
        assert shapes == {
            "images": (5, 3, width, height),
            **dict.fromkeys(("depths", "rawDepths", "labels"), (5, width, height)),
        }
        types = [str(file[name].dtype) for name in ("images", "depths", "rawDepths", "labels")]
        assert types == ["uint8", "float32", "float32", "uint16"]
        texts = ["".join(map(chr, file[cell][:, 0])) for cell in file["names"][0]]
    assert texts == list(CLASSES)


def test_all_forms_hold_the_rooms(root: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rooms = [
        (split, one.world) for split in ("train", "val") for one in compose_rooms(SAMPLES, split)
    ]
    with h5py.File(root / LABELED) as file:
        for number, (split, world) in enumerate(rooms, start=1):
            seen, place = view(world), number - 1
            stem = f"{'test' if split == 'val' else 'train'}/{number:05d}"
            assert np.array_equal(file["depths"][place].T, seen.depth)
            assert np.array_equal(file["labels"][place].T, seen.labels + 1)
            raw = file["rawDepths"][place].T
            assert 0.01 < (raw == 0).mean() < 0.6
            assert np.array_equal(raw[raw > 0], seen.depth[raw > 0])
            for kind, expected in (("depth", seen.depth), ("raw_depth", raw)):
                stored = read_depth(root / kind / f"{stem}.png", 1000.0)
                np.testing.assert_allclose(stored, expected, atol=0.00051)
            normals = read_normals(root / "normals" / f"{stem}.png")
            np.testing.assert_allclose(normals, seen.normals, atol=1e-4)
            with Image.open(root / "images" / f"{stem}.jpg") as picture:
                stored_image = np.asarray(picture).astype(float)
            image = file["images"][place].transpose(2, 1, 0)
            assert np.abs(stored_image - image).mean() < 4  # JPEG
            # An object is one number of one class.
            pairs = file["labels"][place].T.astype(int) * 1000 + file["instances"][place].T
            for item in seen.objects:
                assert len(np.unique(pairs[item.mask])) == 1
                assert not np.isin(pairs[~item.mask], pairs[item.mask][0]).any()


def test_without_h5py_the_folders_are_written(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nyuv2, "find_spec", lambda name: None)
    few = RoomSamples(train=1, val=1, size=96, seed=6)
    write_nyuv2(tmp_path / "few", few)
    assert not (tmp_path / "few" / LABELED).exists()
    for kind, suffix in (("images", "jpg"), ("depth", "png"), ("normals", "png")):
        name = f"{kind}/train/00001.{suffix}"
        assert (tmp_path / "few" / name).read_bytes() == (root / name).read_bytes()
