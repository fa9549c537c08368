import runpy
from pathlib import Path

import numpy as np
from helpers import mmseg_datasets

from vision.data.datasets.coco_stuff import UNLABELLED
from vision.documents.class_table import class_table

TABLE = class_table("coco_stuff")


def test_names_and_colours_are_those_of_mmsegmentation() -> None:
    reference = mmseg_datasets.load().COCOStuffDataset.METAINFO
    assert reference["classes"] == TABLE.classes
    np.testing.assert_array_equal(TABLE.colors, reference["palette"])
    assert len({*TABLE.classes}) == 171


def test_values_are_those_that_mmsegmentation_converts() -> None:
    tools = (
        Path(mmseg_datasets.load().__file__).parents[1] / ".mim" / "tools" / "dataset_converters"
    )
    official = runpy.run_path(str(tools / "coco_stuff164k.py"))["clsID_to_trID"]
    assert official.pop(UNLABELLED) == 255
    assert {value: label for label, value in enumerate(TABLE.values)} == official


def test_values_of_well_known_labels() -> None:
    # Label id in the published list -> name; the maps hold the id - 1.
    for number, name in {
        1: "person",
        13: "stop sign",
        90: "toothbrush",
        92: "banner",
        182: "wood",
    }.items():
        assert TABLE.classes[TABLE.values.index(number - 1)] == name
    assert (len(TABLE.values), len(TABLE.labels)) == (171, 182)
    # Things that were never annotated.
    assert TABLE.labels[11] == "street sign"
    assert 11 not in TABLE.values
