"""What the label ids of Cityscapes mean, beside its table of classes.

The numbers are those of its published scripts.
"""

from vision.contracts.segmentation import IGNORED
from vision.documents.class_table import class_table

# It is not drawn: its id is -1, so that whatever it is fixed to shows there.
LICENSE_PLATE = "license plate"
# What -1 becomes where some program writes it to a file of bytes.
LICENSE_PLATE_BYTE = 255


def train_ids() -> dict[int, int]:
    """Value in the files -> class, or `IGNORED`."""
    table = class_table("cityscapes")
    ids = dict.fromkeys((*range(len(table.labels)), LICENSE_PLATE_BYTE), IGNORED)
    return ids | {value: label for label, value in enumerate(table.values)}
