"""The labels of Cityscapes, which of them are the 19 classes of its benchmark, and their colours.

"The Cityscapes Dataset for Semantic Urban Scene Understanding", Cordts et al., 2016, arXiv
1604.01685, section 2.2 and table 2; the numbers are those of its published scripts.
"""

import numpy as np

from vision.contracts.segmentation import IGNORED

# By label id, from 0 on: what occurs in the files `*_labelIds.png`.
NAMES = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic"),
    *("ground", "road", "sidewalk", "parking", "rail track", "building", "wall", "fence"),
    *("guard rail", "bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan"),
    *("trailer", "train", "motorcycle", "bicycle"),
)
# It is not drawn: its id is -1, so that whatever it is fixed to shows there.
LICENSE_PLATE = "license plate"
# What -1 becomes where some program writes it to a file of bytes.
LICENSE_PLATE_BYTE = 255

# Label id of each class, by train id; all others are not evaluated.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CLASSES = tuple(NAMES[number] for number in LABEL_IDS)
# Value in the files -> class.
TRAIN_IDS = {
    **{number: IGNORED for number in range(len(NAMES))},
    **{number: label for label, number in enumerate(LABEL_IDS)},
    LICENSE_PLATE_BYTE: IGNORED,
}

_COLORS = """
804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 98fb98 4682b4 dc143c ff0000 00008e
000046 003c64 005064 0000e6 770b20
"""
COLORS = np.frombuffer(bytes.fromhex(_COLORS), dtype=np.uint8).reshape(-1, 3)
