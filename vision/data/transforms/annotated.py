"""Images with the objects of their files, and the split that a transform takes them from."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from torch import Tensor

from vision.data.index.detection import Objects
from vision.data.index.segments import Outline


class AnnotatedImage(NamedTuple):
    """An image as it is in its file, and its objects.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        objects: Its objects, in its pixels.
        outlines: Polygons or run lengths of each object, for masks; None where there are none.
    """

    image: Tensor
    objects: Objects
    outlines: Sequence[Outline] | None


class AnnotatedImages(NamedTuple):
    """The images of a split, of which a transform makes samples.

    Attributes:
        open: Reads an image, by its index in the split, for the time of a `with` block. Errors of
            the data within the block name the image.
        partners: The indices of the images that an image may be mixed with, its own among them.
    """

    open: Callable[[int], AbstractContextManager[AnnotatedImage]]
    partners: Callable[[int], Sequence[int]]
