"""Run a program of fixed size on images of many sizes, each padded to a canvas, one at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.contracts.detection import PADDED_TO
from vision.errors import ConfigError

Run = Callable[[Tensor], Mapping[str, Tensor]]


def usual_canvas(preprocessing: Mapping[str, Any] | None) -> tuple[int, int]:
    """Height and width that hold every image of an evaluation, portrait or landscape.

    Args:
        preprocessing: Options of the evaluation transform.

    Raises:
        ConfigError: They do not bound the size of an image.
    """
    longest = (preprocessing or {}).get("long_side")
    if longest is None:
        raise ConfigError(
            "the preprocessing of this model has no long_side, which would bound the size of its "
            "images: give the canvas of the exported model, --canvas HEIGHT WIDTH."
        )
    side = -(-longest // PADDED_TO) * PADDED_TO
    return side, side


def put_on_canvas(images: Tensor, canvas: tuple[int, int], mean: Sequence[float]) -> Tensor:
    """Pad images at the right and bottom with the mean colour, as tasks do.

    Args:
        images: uint8 `(B, C, h, w)`.
        canvas: Height and width to pad to.
        mean: Per-channel mean in [0, 1].

    Returns:
        uint8 `(B, C, H, W)`.

    Raises:
        ConfigError: The images are larger than the canvas.
    """
    height, width = images.shape[2:]
    if height > canvas[0] or width > canvas[1]:
        raise ConfigError(
            f"an image of {height} x {width} pixels is larger than the canvas of {canvas[0]} x "
            f"{canvas[1]}: give a larger --canvas, or smaller --data.short_side, --data.long_side."
        )
    colour = (255 * torch.tensor(mean)).round().to(images.dtype)
    padded = colour.view(1, -1, 1, 1).repeat(len(images), 1, *canvas)
    padded[:, :, :height, :width] = images
    return padded


def on_canvas(run: Run, canvas: tuple[int, int], mean: Sequence[float]) -> Run:
    """Wrap a program of one image of fixed size, so that it accepts several images of smaller size.

    Args:
        run: Maps `(1, C, H, W)` to outputs by name.
        canvas: Height H and width W.
        mean: As in `put_on_canvas`.

    Returns:
        A function from `(B, C, h, w)` to the concatenated outputs of all images.
    """

    def run_each(images: Tensor) -> dict[str, Tensor]:
        found = [run(image) for image in put_on_canvas(images, canvas, mean).split(1)]
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}

    return run_each
