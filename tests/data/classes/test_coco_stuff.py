import runpy
from pathlib import Path

import numpy as np
from helpers import mmseg_datasets

from vision.data.classes.coco_stuff import ABSENT, CLASSES, COLORS, UNLABELLED, VALUES


def test_names_and_colours_are_those_of_mmsegmentation() -> None:
    reference = mmseg_datasets.load().COCOStuffDataset.METAINFO
    assert reference["classes"] == CLASSES
    np.testing.assert_array_equal(COLORS, reference["palette"])
    assert len({*CLASSES}) == 171


def test_values_are_those_that_mmsegmentation_converts() -> None:
    tools = (
        Path(mmseg_datasets.load().__file__).parents[1] / ".mim" / "tools" / "dataset_converters"
    )
    official = runpy.run_path(str(tools / "coco_stuff164k.py"))["clsID_to_trID"]
    assert official.pop(UNLABELLED) == 255
    assert {value: label for label, value in enumerate(VALUES)} == official


def test_values_of_well_known_labels() -> None:
    # Label id in the published list -> name; the maps hold the id - 1.
    for number, name in {
        1: "person",
        13: "stop sign",
        90: "toothbrush",
        92: "banner",
        182: "wood",
    }.items():
        assert CLASSES[VALUES.index(number - 1)] == name
    assert not {*VALUES} & {*ABSENT}
    assert (len(VALUES), len(ABSENT)) == (171, 11)
