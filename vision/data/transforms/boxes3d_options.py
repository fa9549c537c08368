"""Options of the augmentation for boxes in space, and of which objects are learned."""

from dataclasses import dataclass
from typing import Literal

from vision.options import MAX_COUNT, PROBABILITY, Range, Ranges, check_ranges

RANGES: Ranges = {
    "geometry": ("published", "consistent"),
    "hflip": PROBABILITY,
    "crop": PROBABILITY,
    "crop_scale": Range(minimum=0, maximum=0.5),
    "crop_shift": Range(minimum=0, maximum=0.5),
}
OBJECT_RANGES: Ranges = {
    "depth": Range(above=0, length=2, ascending=True, unit="metres"),
    "min_height": Range(minimum=0, unit="pixels"),
    "max_truncation": Range(minimum=0, maximum=1),
    "max_occlusion": Range(minimum=0, maximum=3),
    "max_lines": Range(minimum=1, maximum=MAX_COUNT),
}


@dataclass(frozen=True)
class Boxes3DAugment:
    """Options of the augmentation of training images with boxes in space.

    The defaults are as in MonoDETR's recipe for KITTI: mirrored images, a crop of another scale and
    place, and distorted colours.

    Attributes:
        geometry: What follows an augmented image. With "published" the camera stays that of the
            file; the depth is multiplied by the scale of the crop, as if the camera had moved; and
            places are not mirrored, only angles and what lies in the image. With "consistent" the
            camera and the boxes follow, and the depth is the true one.
        hflip: Probability of a horizontal flip.
        crop: Probability of a crop.
        crop_scale: Standard deviation and limit of the scale of the crop about 1; a larger crop
            makes objects smaller.
        crop_shift: Standard deviation of the shift of the crop along each side, in shares of it;
            the limit is twice as much.
        photometric: Whether colours are distorted, and their channels exchanged. See
            `vision.data.transforms.photometric`.
        albumentations: Transforms of albumentations after all others, as rows such as
            `{name: RandomBrightnessContrast, p: 0.3}`, or a file that its `save` wrote; in Python
            also an `albumentations.Compose`. They may not move pixels. None for none.
        transform: A callable after all others: a transform of `torchvision.transforms.v2` that
            moves no pixels, or any function of an image, uint8 `(3, H, W)`. None for none.

    Raises:
        ConfigError: A value is out of its range.
    """

    geometry: Literal["published", "consistent"] = "published"
    hflip: float = 0.5
    crop: float = 0.5
    crop_scale: float = 0.05
    crop_shift: float = 0.05
    photometric: bool = True
    albumentations: object = None
    transform: object = None

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)


@dataclass(frozen=True)
class LearnedObjects:
    """Which annotated objects of the trained classes are learned; evaluation counts others too.

    An object is learned as well only if its projected centre is inside the input, and inside its
    2-D box. The defaults are as in MonoDETR's recipe for KITTI: objects of the benchmark's "hard"
    difficulty and easier ones.

    Attributes:
        depth: Smallest and largest depth of the centre in metres.
        min_height: Smallest height of the 2-D box in pixels of the file, counted with both of its
            border rows: `y2 - y1 + 1`.
        max_truncation: Largest share outside the image.
        max_occlusion: Largest level, of 0 (visible), 1 (partly), 2 (largely hidden), 3 (unknown).
        max_lines: Number of first annotated objects of an image that are looked at.

    Raises:
        ConfigError: A value is out of its range.
    """

    depth: tuple[float, float] = (2.0, 65.0)
    min_height: float = 25.0
    max_truncation: float = 0.5
    max_occlusion: int = 2
    max_lines: int = 50

    def __post_init__(self) -> None:
        check_ranges(vars(self), OBJECT_RANGES)
