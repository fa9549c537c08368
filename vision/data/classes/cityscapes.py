"""The label ids of Cityscapes, as in its published scripts, beside its table of classes."""

from vision.contracts.segmentation import IGNORED
from vision.documents.class_table import class_table

# It is not drawn, since its id is -1: the object that it is fixed to is seen there.
LICENSE_PLATE = "license plate"
# The value that some programs write for -1 to a file of bytes.
LICENSE_PLATE_BYTE = 255


def train_ids() -> dict[int, int]:
    """Value in the files -> class, or `IGNORED`."""
    table = class_table("cityscapes")
    ids = dict.fromkeys((*range(len(table.labels)), LICENSE_PLATE_BYTE), IGNORED)
    return ids | {value: label for label, value in enumerate(table.values)}
