"""The names of published classes, against counts and places that are known from elsewhere."""

import numpy as np
import pytest

from vision.documents.class_table import class_table, coco_classes


def test_coco_has_eighty_distinct_names_in_the_order_of_their_ids() -> None:
    names = coco_classes()
    assert len(names) == len(set(names)) == 80
    known = {0: "person", 2: "car", 16: "dog", 24: "backpack", 39: "bottle", 56: "chair"}
    known |= {62: "tv", 67: "cell phone", 73: "book", 79: "toothbrush"}
    assert {i: names[i] for i in known} == known
    assert all(name == name.strip().lower() for name in names)


def test_colours_of_voc_are_those_of_the_development_kit() -> None:
    """`VOCcode/VOClabelcolormap.m`: the bits of a label go to red, green and blue in turn."""
    expected = np.zeros((21, 3), dtype=np.uint8)
    for label in range(21):
        for place in range(8):
            for channel in range(3):
                expected[label, channel] |= (label >> (3 * place + channel) & 1) << (7 - place)
    table = class_table("voc")
    np.testing.assert_array_equal(table.colors, expected)
    assert table.colors[[1, 15, 20]].tolist() == [[128, 0, 0], [192, 128, 128], [0, 64, 128]]
    assert (table.classes[0], table.classes[20]) == ("background", "tvmonitor")


@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [("ade20k", 150, 150), ("cityscapes", 34, 19), ("coco_stuff", 182, 171), ("voc", 21, 21)],
)
def test_tables_are_whole_and_read_only(name: str, values: int, classes: int) -> None:
    table = class_table(name)
    assert (len(table.labels), len(table.values)) == (values, classes)
    assert table.colors.shape == (classes, 3)
    assert len({*table.classes}) == classes
    assert not table.colors.flags.writeable
