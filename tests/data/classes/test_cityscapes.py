import numpy as np
from helpers import mmseg_datasets
from torchvision.datasets import Cityscapes

from vision.contracts.segmentation import IGNORED
from vision.data.classes.cityscapes import (
    CLASSES,
    COLORS,
    LABEL_IDS,
    LICENSE_PLATE,
    NAMES,
    TRAIN_IDS,
)

OFFICIAL = {entry.id: entry for entry in Cityscapes.classes}


def test_the_labels_are_the_published_ones() -> None:
    assert {-1: LICENSE_PLATE, **dict(enumerate(NAMES))} == {
        number: entry.name for number, entry in OFFICIAL.items()
    }
    for number, entry in OFFICIAL.items():
        # As a byte, -1 is 255; as a train id, no class.
        expected = IGNORED if entry.train_id in (-1, 255) else entry.train_id
        assert TRAIN_IDS[number % 256] == expected
    assert len(TRAIN_IDS) == len(OFFICIAL) == 35
    used = sorted(
        (entry for entry in OFFICIAL.values() if not entry.ignore_in_eval),
        key=lambda entry: entry.train_id,
    )
    assert tuple(entry.id for entry in used) == LABEL_IDS
    np.testing.assert_array_equal(COLORS, [entry.color for entry in used])


def test_names_and_colours_are_those_of_mmsegmentation() -> None:
    reference = mmseg_datasets.load().CityscapesDataset.METAINFO
    assert reference["classes"] == CLASSES
    np.testing.assert_array_equal(COLORS, reference["palette"])
