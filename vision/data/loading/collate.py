"""Collation of samples to a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import DataError

# Keys of samples that `BatchOfSamples` collates itself.
OWN_KEYS = ("index", "repeated", "bad_images")


class BatchOfSamples:
    """Makes a batch, including the keys that samples of every dataset may have.

    `index` becomes int64 `(B,)`; the errors under `bad_images` become one list, absent if there are
    none. Samples marked `repeated` are left out; if there are no others, the first is kept and the
    batch marked `repeated`: it must be run, since the other processes run one, but not counted.

    Args:
        collate: Makes a batch of the rest.
    """

    def __init__(self, collate: Callable[[Sequence[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Make a batch; samples that are not dicts are passed to `collate` unchanged."""
        if not isinstance(samples[0], dict):
            return self.collate(samples)
        bad = [message for sample in samples for message in sample.get("bad_images", ())]
        counted = [sample for sample in samples if "repeated" not in sample]
        used = counted or samples[:1]
        batch = self.collate(
            [{key: sample[key] for key in sample if key not in OWN_KEYS} for sample in used]
        )
        if "index" in used[0]:
            batch["index"] = torch.tensor([sample["index"] for sample in used])
        if bad:
            batch["bad_images"] = bad
        if not counted:
            batch["repeated"] = True
        return batch


def collate_images(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of samples whose images may differ in size.

    Args:
        samples: Dicts with equal keys: `image` uint8 `(3, H, W)`, beside it tensors of one shape
            per key (such as `label`) or other values (such as `path`).

    Returns:
        `image` uint8 `(B, 3, H, W)`, padded with zeros at the right and at the bottom to the
        largest height and width; `size` int64 `(B, 2)`, the height and width before padding; every
        other tensor stacked along a new first axis; every other value in a list.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    images, size = pad_images([sample["image"] for sample in samples])
    batch: dict[str, Any] = {"image": images, "size": size}
    for key in samples[0]:
        if key != "image":
            values = [sample[key] for sample in samples]
            batch[key] = torch.stack(values) if isinstance(values[0], Tensor) else values
    return batch


def pad_images(images: Sequence[Tensor], *, divisor: int = 1) -> tuple[Tensor, Tensor]:
    """Stack images of different sizes, padded with zeros at the right and at the bottom.

    Args:
        images: uint8 `(3, H, W)` each.
        divisor: Height and width of the result are multiples of this.

    Returns:
        The images, uint8 `(B, 3, max H, max W)`, both rounded up to multiples of `divisor`, and
        their sizes `(H, W)`, int64 `(B, 2)`.

    Raises:
        DataError: An image is not uint8 `(3, H, W)`.
    """
    for image in images:
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            raise DataError(
                f"a sample's image is {image.dtype} {tuple(image.shape)}, expected torch.uint8 "
                "(3, H, W); vision.data.read_image returns such images."
            )
    size = torch.tensor([image.shape[-2:] for image in images])
    height, width = (-(-side // divisor) * divisor for side in size.amax(dim=0).tolist())
    batch = images[0].new_zeros(len(images), 3, height, width)
    for canvas, image in zip(batch, images, strict=True):
        canvas[:, : image.shape[1], : image.shape[2]] = image
    return batch, size


def extend_images(images: Tensor, minimum: Sequence[int]) -> Tensor:
    """Pad images `(B, 3, h, w)` with zeros, right and bottom, to a minimum height and width."""
    bottom, right = (max(0, minimum[axis] - images.shape[2 + axis]) for axis in range(2))
    return F.pad(images, (0, right, 0, bottom)) if bottom or right else images


def pad_masks(
    masks: Sequence[Tensor], minimum: Sequence[int], fill: float, dtype: torch.dtype
) -> Tensor:
    """Stack masks of different sizes, padded at the right and at the bottom.

    Args:
        masks: `(..., H, W)` each.
        minimum: Minimum height and width of the result.
        fill: Value of the padding.
        dtype: Type of the result.

    Returns:
        `(B, ..., H, W)`, of the largest height and width.
    """
    height, width = (
        max(minimum[axis], *(mask.shape[axis - 2] for mask in masks)) for axis in range(2)
    )
    batch = torch.full((len(masks), *masks[0].shape[:-2], height, width), fill, dtype=dtype)
    for canvas, mask in zip(batch, masks, strict=True):
        canvas[..., : mask.shape[-2], : mask.shape[-1]] = mask
    return batch
