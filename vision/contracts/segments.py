"""Segments of panoptic maps. PyTorch is not needed for them."""

from typing import NotRequired, TypedDict

# The segment id of pixels that belong to no segment.
VOID = 0
# The largest id that a PNG of COCO's format holds.
MAX_SEGMENT_ID = 2**24 - 1


class SegmentInfo(TypedDict):
    """One segment, as in COCO's files.

    Keys:
        id: Its value in the map, from 1.
        category_id: Index of its class.
        isthing: Whether its class is one of countable objects.
        iscrowd: Whether it is a region of many objects, as in annotations; absent in predictions.
    """

    id: int
    category_id: int
    isthing: bool
    iscrowd: NotRequired[bool]
