"""S3DIS in both of its layouts: the same rooms, the area that validates, what is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_points import room, write_s3dis

from vision.data import S3DIS
from vision.data.datasets.s3dis import CLASSES
from vision.errors import ConfigError, DataError, ImageError


def data(root: Path, **options: Any) -> S3DIS:
    return S3DIS(root=root, **{"num_workers": 0, "voxel_size": 0.2, **options})


def write_official(root: Path) -> Path:
    for number, (area, name) in enumerate([(1, "office_1"), (2, "hall_1"), (5, "office_1")]):
        folder = root / f"Area_{area}" / name / "Annotations"
        folder.mkdir(parents=True)
        rows = room(number)
        for label, stem in enumerate(["ceiling_1", "chair_1", "chair_2", "stairs_1"]):
            own = rows[rows[:, 6] == label, :6]
            lines = [" ".join(f"{value:.3f}" for value in row) for row in own]
            (folder / f"{stem}.txt").write_text("\n".join(lines) + "\n")
        (folder.parent / f"{name}.txt").write_text("")
    return root


def test_one_area_validates(tmp_path: Path) -> None:
    root = write_s3dis(tmp_path)
    for area, rooms in ((5, ["Area_5_office_3"]), (1, ["Area_1_office_0", "Area_1_office_1"])):
        one = data(root, area=area)
        one.setup("fit")
        assert [*one.index("val").rooms] == rooms
        assert len(one.index("train")) == 4 - len(rooms)
        assert not {*one.index("train").rooms} & {*rooms}
    assert one.class_names == CLASSES
    assert one.preprocessing == {"voxel_size": 0.2, "unit_m": 1.0, "full_color": 255.0}
    assert one.summary() == {"train": {"images": 2}, "val": {"images": 2}}


def test_samples_hold_the_file(tmp_path: Path) -> None:
    one = data(write_s3dis(tmp_path))
    one.setup("validate")
    rows = room(3)
    sample = one.val_dataset[0]
    np.testing.assert_array_equal(sample["label"], rows[:, 6])
    assert sample["voxel_of"].shape == (300,)
    assert (sample["room"], sample["path"]) == (
        "Area_5_office_3",
        f"{tmp_path}/Area_5_office_3.npy",
    )
    example = one.val_dataset.example(0)
    np.testing.assert_allclose(example["points"], rows[:, :3])
    np.testing.assert_array_equal(example["colors"], rows[:, 3:6])
    one.setup("predict")
    assert "label" not in one.predict_dataset[0]


def test_the_official_folders_hold_the_same(tmp_path: Path) -> None:
    one = data(write_official(tmp_path))
    one.setup("fit")
    assert [*one.index("train").rooms] == ["Area_1_office_1", "Area_2_hall_1"]
    example = one.val_dataset.example(0)
    rows = room(2)
    order = np.argsort(rows[:, 6], kind="stable")
    np.testing.assert_allclose(example["points"], rows[order, :3], atol=1e-3)
    np.testing.assert_array_equal(example["colors"], rows[order, 3:6])
    names = [CLASSES[label] for label in example["label"].unique().tolist()]
    assert names == ["ceiling", "chair", "clutter"]


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("chair_1.txt", "1 2 3 4 5\n", ("5 numbers", "x y z red green blue")),
        ("chair_1.txt", "1 2 3 4 5 1\x100\n", ("not six numbers", "row 0")),
        ("chair_1.txt", "", ("is empty",)),
        ("chair_1.txt", "1 2 nan 4 5 6\n", ("no finite numbers",)),
        ("stool_1.txt", "1 2 3 4 5 6\n", ("no class: 'stool'",)),
    ],
)
def test_wrong_objects_are_named(
    tmp_path: Path, name: str, text: str, parts: tuple[str, ...]
) -> None:
    root = write_official(tmp_path)
    (root / "Area_5" / "office_1" / "Annotations" / name).write_text(text)
    with refuses(ImageError, f"Area_5/office_1/Annotations/{name}", *parts):
        data(root).setup("validate")


def test_absent_areas_and_other_names(tmp_path: Path) -> None:
    with refuses(ConfigError, "area=7", "1, 2, 3, 4, 5, 6"):
        data(tmp_path, area=7)
    with refuses(DataError, "has no rooms", "Area_5_office_1.npy"):
        data(tmp_path).setup("fit")
    write_s3dis(tmp_path, areas=(1, 1))
    with refuses(DataError, "no rooms of Area_5", "Area_1"):
        data(tmp_path).setup("validate")
    with refuses(DataError, "another area than 1"):
        data(tmp_path, area=1).setup("fit")
    np.save(tmp_path / "Area_x_office.npy", room(0))
    with refuses(DataError, "Area_x_office.npy", "by its name"):
        data(tmp_path).setup("fit")
