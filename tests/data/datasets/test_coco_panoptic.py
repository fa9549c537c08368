from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import write_panoptic, write_pixels

from vision.data import COCOPanoptic
from vision.errors import ConfigError


def make(**options: Any) -> COCOPanoptic:
    return COCOPanoptic(**{"cache_dir": "", "num_workers": 0, **options})


def test_a_dataset_is_given_by_its_root_or_by_its_paths(tmp_path: Path) -> None:
    root = write_panoptic(tmp_path)
    official = make(root=root)
    annotations = root / "annotations"
    paths = {
        f"{split}_{what}": path
        for split in ("train", "val")
        for what, path in (
            ("annotations", annotations / f"panoptic_{split}2017.json"),
            ("images", root / f"{split}2017"),
        )
    }
    own = make(**paths)
    for split in ("train", "val"):
        assert [*own.index(split).images] == [*official.index(split).images]
        assert [*own.index(split).masks] == [*official.index(split).masks]
    (annotations / "panoptic_val2017").rename(root / "pngs")
    moved = make(root=root, val_masks=root / "pngs")
    moved.setup("validate")
    assert moved.index("val").masks[0].startswith(str(root / "pngs"))


def test_a_validation_set_alone_can_be_evaluated(tmp_path: Path) -> None:
    root = write_panoptic(tmp_path, counts={"val": 2})
    for data in (
        make(root=root),
        make(
            val_annotations=root / "annotations/panoptic_val2017.json",
            val_images=root / "val2017",
        ),
    ):
        data.setup("validate")
        assert data.class_names == ("disc", "box", "sky", "grass")
        assert len(data.val_dataset) == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, ("root", "train_annotations")),
        ({"train_annotations": "a.json"}, ("train_images",)),
        ({"val_images": "a"}, ("val_annotations",)),
        ({"val_masks": "a"}, ("val_annotations",)),
    ],
)
def test_paths_that_are_missing_are_asked_for(
    options: dict[str, str], named: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *named):
        make(**options)


def test_a_set_that_was_not_given_is_named(tmp_path: Path) -> None:
    root = write_panoptic(tmp_path)
    data = make(
        val_annotations=root / "annotations/panoptic_val2017.json", val_images=root / "val2017"
    )
    with refuses(ConfigError, "no train set", "train_annotations"):
        data.setup("fit")


def test_the_test_images_are_predicted_where_they_are(tmp_path: Path) -> None:
    data = make(root=write_panoptic(tmp_path), canvas=(64, 64), long_side=64)
    assert data.predict_split == "val"
    write_pixels(tmp_path / "test2017" / "a.png", np.zeros((9, 7, 3), dtype=np.uint8))
    data.setup("predict")
    assert [Path(path).name for batch in data.predict_dataloader() for path in batch["path"]] == [
        "a.png"
    ]
