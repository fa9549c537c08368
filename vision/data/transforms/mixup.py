"""Mixup of two images with objects: both shine through each other, and the objects of both count.

"mixup: Beyond Empirical Risk Minimization", Zhang et al., 2018, arXiv 1710.09412, in the form for
detection of "YOLOX: Exceeding YOLO Series in 2021", Ge et al., 2021, arXiv 2107.08430, section 2.1:
both have the same weight, and the other image is scaled by a random number.
"""

import torch
from torch import Tensor

from vision.data.transforms.objects import MappedObjects, join_objects


def blend_objects(
    image: Tensor, objects: MappedObjects, other: Tensor, others: MappedObjects
) -> tuple[Tensor, MappedObjects]:
    """Blend two images of one size, half of each, and list the objects of both.

    Args:
        image: uint8 `(3, H, W)` RGB.
        objects: Its objects.
        other: The other image, of the same shape.
        others: Its objects.

    Returns:
        The mean of both images, rounded half up, and the objects of the first, then of the other.
    """
    mean = torch.add(image.to(torch.int16), other).add_(1).bitwise_right_shift_(1)
    size = (image.shape[1], image.shape[2])
    joined = join_objects(
        [(objects, (0, 0)), (others, (0, 0))], size, masks=objects.masks is not None
    )
    return mean.to(torch.uint8), joined
