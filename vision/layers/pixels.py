"""Normalisation of pixel values, the first step of every task."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.ops.tracing import is_traced

# Numbers of a batch that are processed at a time on the CPU: they stay in the processor's cache.
CHUNK = 2**18


class Normalize(nn.Module):
    """Map pixel values 0..255 to what a backbone was trained on: `(x / 255 - mean) / std`.

    Mean and deviation are no part of the state dict: they are settings, not weights.

    Args:
        mean: Per-channel mean for values in [0, 1].
        std: Per-channel standard deviation for values in [0, 1].
        channels_last: Whether the result lies in channels-last memory.

    Attributes:
        values: Mean and deviation as given.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], *, channels_last: bool = False
    ) -> None:
        super().__init__()
        self.values = (tuple(mean), tuple(std))
        shape = (-1, 1, 1)
        self.register_buffer("mean", 255.0 * torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", 255.0 * torch.tensor(std).view(shape), persistent=False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, images: Tensor) -> Tensor:
        """Normalise `images` `(B, C, H, W)`, uint8 or float in 0..255.

        Returns:
            `(B, C, H, W)` in the floating-point dtype of the module, computed in float32 at least.
        """
        dtype = self.mean.dtype
        precise = torch.promote_types(dtype, torch.float32)
        differentiated = images.requires_grad and torch.is_grad_enabled()
        if images.is_cpu and not differentiated and not is_traced():
            return self._by_chunks(images, precise)
        # Order memory while the images are still bytes.
        images = images.contiguous(memory_format=self.memory_format).to(precise)
        return ((images - self.mean.to(precise)) / self.std.to(precise)).to(dtype)

    def _by_chunks(self, images: Tensor, precise: torch.dtype) -> Tensor:
        """The same numbers, several times as fast on the CPU.

        PyTorch is slow at reordering bytes and at one mean for each of three neighbouring numbers,
        and the system at providing memory for each step's result.
        """
        mean, std = self.mean.to(precise), self.std.to(precise)
        result = torch.empty(images.shape, dtype=self.mean.dtype, memory_format=self.memory_format)
        count = max(1, CHUNK // max(1, images[:1].numel()))
        scratch = torch.empty((min(count, len(images)), *images.shape[1:]), dtype=precise)
        for part, place in zip(images.split(count), result.split(count), strict=True):
            place.copy_(scratch[: len(part)].copy_(part).sub_(mean).div_(std))
        return result

    def extra_repr(self) -> str:
        """Show the settings in the module's printout."""
        return f"mean={self.values[0]}, std={self.values[1]}"


def blank_padding(images: Tensor, sizes: Tensor) -> Tensor:
    """Set what lies beyond the valid part of normalised images to zero, the mean colour.

    Args:
        images: `(B, C, H, W)`, normalised.
        sizes: int64 `(B, 2)` valid height and width of each image.

    Returns:
        `(B, C, H, W)`.
    """
    rows, columns = (
        torch.arange(length, device=images.device) < sizes[:, i, None]  # (B, H) and (B, W)
        for i, length in enumerate(images.shape[2:])
    )
    return images * (rows[:, None, :, None] & columns[:, None, None, :])
