"""Errors before the first step: nothing to learn, nothing to measure, absent masks."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_coco import write_tiny_coco

from vision.data import COCO
from vision.errors import DataError


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., COCO]:
    """A tiny COCO whose annotations of a split are changed, one by one."""

    def make(split: str, change: Callable[[dict[str, Any]], object], **options: Any) -> COCO:
        write_tiny_coco(tmp_path, images=4)
        path = tmp_path / "annotations" / f"instances_{split}2017.json"
        contents = json.loads(path.read_text())
        for annotation in contents["annotations"]:
            change(annotation)
        path.write_text(json.dumps(contents))
        return COCO(root=tmp_path, cache_dir="", num_workers=0, **options)

    return make


def all_crowds(annotation: dict[str, Any]) -> None:
    annotation["iscrowd"] = 1


def test_a_training_set_of_crowds_has_nothing_to_learn(made) -> None:
    with pytest.raises(DataError, match=r"to learn \(\d crowd regions.*train2017.json"):
        made("train", all_crowds).setup("fit")


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_a_validation_set_of_crowds_has_nothing_to_measure(made, stage: str) -> None:
    with refuses(DataError, "'val'", "_val2017.json"):
        made("val", all_crowds).setup(stage)


def test_what_is_not_measured_needs_no_objects(made) -> None:
    data = made("val", all_crowds)
    data.trainer = SimpleNamespace(limit_val_batches=0)
    data.setup("fit")
    assert len(data.val_dataset) == 4


def test_masks_in_one_set_and_none_in_the_other_are_told(made) -> None:
    with refuses(DataError, "'val'", "'train'", "masks: false"):
        made("val", lambda one: one.pop("segmentation")).setup("fit")
    data = made("val", lambda one: one.pop("segmentation"), masks=False)
    data.setup("fit")
    with refuses(DataError, "'train'", "detector"):
        data.require_masks("fit")
    with refuses(DataError, "'val'", "masks"):
        data.require_masks("validate")


def test_a_set_with_masks_has_what_a_mask_branch_needs(made) -> None:
    data = made("val", lambda one: None)
    data.setup("fit")
    data.require_masks("fit")
