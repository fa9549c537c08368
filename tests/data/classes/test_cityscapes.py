import numpy as np
from helpers import mmseg_datasets
from torchvision.datasets import Cityscapes

from vision.contracts.segmentation import IGNORED
from vision.data.classes.cityscapes import LICENSE_PLATE, train_ids
from vision.documents.class_table import class_table

TABLE = class_table("cityscapes")

OFFICIAL = {entry.id: entry for entry in Cityscapes.classes}


def test_the_labels_are_the_published_ones() -> None:
    assert {-1: LICENSE_PLATE, **dict(enumerate(TABLE.labels))} == {
        number: entry.name for number, entry in OFFICIAL.items()
    }
    for number, entry in OFFICIAL.items():
        # As a byte, -1 is 255; as a train id, no class.
        expected = IGNORED if entry.train_id in (-1, 255) else entry.train_id
        assert train_ids()[number % 256] == expected
    assert len(train_ids()) == len(OFFICIAL) == 35
    used = sorted(
        (entry for entry in OFFICIAL.values() if not entry.ignore_in_eval),
        key=lambda entry: entry.train_id,
    )
    assert tuple(entry.id for entry in used) == TABLE.values
    np.testing.assert_array_equal(TABLE.colors, [entry.color for entry in used])


def test_names_and_colours_are_those_of_mmsegmentation() -> None:
    reference = mmseg_datasets.load().CityscapesDataset.METAINFO
    assert reference["classes"] == TABLE.classes
    np.testing.assert_array_equal(TABLE.colors, reference["palette"])
