"""Copy-paste of objects with masks.

"Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", Ghiasi et al.,
2021, arXiv 2012.07177, section 3: a random subset of the objects of an image is pasted onto
another, both augmented by themselves; masks and boxes of what they cover are updated, and objects
that are covered whole are removed. Edges are not smoothed, which made no difference there.
"""

import numpy as np
import torch
from torch import Tensor

from vision.data.index.detection import Objects
from vision.data.transforms.annotated import AnnotatedImage
from vision.data.transforms.objects import MappedObjects, join_objects
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.seen_objects import seen_objects
from vision.errors import ConfigError


def choose_objects(annotated: AnnotatedImage, rng: SampleRng) -> AnnotatedImage:
    """Choose the objects of an image that are pasted: a random subset, never crowds.

    Args:
        annotated: The image and its objects.
        rng: Random numbers of the sample.

    Returns:
        The image with only these objects; their number is uniformly distributed from none to all.

    Raises:
        ConfigError: The objects have no masks.
    """
    image, objects, outlines = annotated
    possible = np.flatnonzero(~objects.crowd)
    chosen = np.sort(possible[rng.subset(len(possible))])
    if outlines is None:
        if len(objects.crowd):
            raise ConfigError(
                "augment.copy_paste needs masks, and an image of the training set has objects "
                "without. Leave it out, or train on data with masks (data.masks true)."
            )
        return annotated
    kept = Objects(
        boxes=objects.boxes[chosen],
        labels=objects.labels[chosen],
        crowd=objects.crowd[chosen],
        areas=objects.areas[chosen],
        rows=range(len(chosen)),
    )
    return AnnotatedImage(image, kept, [outlines[i] for i in chosen.tolist()])


def paste_objects(
    image: Tensor,
    objects: MappedObjects,
    other: Tensor,
    pasted: MappedObjects,
    *,
    min_visible: float,
) -> tuple[Tensor, MappedObjects]:
    """Paste objects of an image onto another, at the same place from the top left.

    Args:
        image: The image to paste onto, uint8 `(3, H, W)` RGB.
        objects: Its objects.
        other: The image that the pasted objects come from, of any size.
        pasted: The objects to paste. What lies outside of the other image is cut off.
        min_visible: As in `map_objects`, after the pasting.

    Returns:
        The image, and the objects: those of the first as far as they are still seen, their boxes
        and areas with them, then the pasted ones.
    """
    if pasted.masks is None or not len(pasted.masks):
        return image, objects
    height, width = image.shape[1:]
    rows, columns = min(height, other.shape[1]), min(width, other.shape[2])
    if other.shape != image.shape:
        seen = np.zeros((len(pasted.masks), height, width), dtype=bool)
        seen[:, :rows, :columns] = pasted.masks.numpy()[:, :rows, :columns]
        pasted = seen_objects(pasted, seen, min_visible=min_visible)
    assert pasted.masks is not None
    covered = np.zeros((height, width), dtype=bool)
    for mask in pasted.masks.numpy():
        covered |= mask
    result = image.numpy().copy()
    cut = covered[:rows, :columns]
    np.copyto(result[:, :rows, :columns], other.numpy()[:, :rows, :columns], where=cut)
    if objects.masks is not None:
        objects = seen_objects(objects, objects.masks.numpy() & ~covered, min_visible=min_visible)
    joined = join_objects([(objects, (0, 0)), (pasted, (0, 0))], (height, width), masks=True)
    return torch.from_numpy(result), joined
