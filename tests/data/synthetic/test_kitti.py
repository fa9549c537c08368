"""The composed KITTI: every file in its place, and readable by those of the package."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.annotations.kitti import CLASSES, read_objects
from vision.data.synthetic.kitti import StreetSamples, compose_streets, write_kitti
from vision.data.synthetic.street_labels import label
from vision.data.synthetic.street_render import view

SAMPLES = StreetSamples(train=3, val=2, test=1, size=160, seed=6)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kitti") / "samples"
    counts = write_kitti(folder, SAMPLES)
    labels = [len(read_objects(path, scored=False).classes) for path in _labels(folder)]
    assert counts == {"train": (3, sum(labels[:3])), "val": (2, sum(labels[3:])), "test": (1, 0)}
    return folder


def _labels(root: Path) -> list[Path]:
    return sorted((root / "training" / "label_2").iterdir())


def test_the_lists_split_the_images(root: Path) -> None:
    lists = {path.stem: path.read_text().split() for path in (root / "ImageSets").iterdir()}
    assert lists["train"] == ["000000", "000001", "000002"]
    assert lists["val"] == ["000003", "000004"]
    assert lists["trainval"] == lists["train"] + lists["val"]
    assert lists["test"] == ["000000"]
    for folder, names in (("training", lists["trainval"]), ("testing", lists["test"])):
        parts = {"calib": "txt", "image_2": "png", "velodyne": "bin"}
        parts |= {"label_2": "txt"} if folder == "training" else {}
        found = {part.name: sorted(part.iterdir()) for part in (root / folder).iterdir()}
        assert found.keys() == parts.keys()
        for part, paths in found.items():
            assert [path.name for path in paths] == [f"{name}.{parts[part]}" for name in names]


def test_files_are_of_their_streets(root: Path) -> None:
    streets = [*compose_streets(SAMPLES, "train"), *compose_streets(SAMPLES, "val")]
    for number, (path, (_, street, _)) in enumerate(zip(_labels(root), streets, strict=True)):
        found, expected = read_objects(path, scored=False), label(street, view(street))
        np.testing.assert_array_equal(found.classes, expected.classes)
        # What is rendered are the numbers of the file.
        np.testing.assert_allclose(found.locations, expected.locations, atol=1e-9)
        np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-9)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.0051)
        assert {CLASSES[index] for index in found.classes} <= {
            one.kind for one in street.things
        } | {"DontCare"}
        folder = root / "training"
        with Image.open(folder / "image_2" / f"{number:06d}.png") as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (160, 49))
        text = (folder / "calib" / f"{number:06d}.txt").read_text()
        assert text == street.rig.calibration()
        points = np.fromfile(folder / "velodyne" / f"{number:06d}.bin", "<f4").reshape(-1, 4)
        assert points[:, 0].min() > 0
        assert points[:, 3].max() < 1


def test_a_street_does_not_depend_on_the_number_of_streets(root: Path, tmp_path: Path) -> None:
    write_kitti(tmp_path / "one", StreetSamples(train=1, val=1, test=0, size=160, seed=6))
    for part in ("image_2/{}.png", "label_2/{}.txt", "velodyne/{}.bin", "calib/{}.txt"):
        for ours, theirs in (("000000", "000000"), ("000001", "000003")):
            one = tmp_path / "one" / "training" / part.format(ours)
            assert one.read_bytes() == (root / "training" / part.format(theirs)).read_bytes()
