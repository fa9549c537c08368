"""The class of each pixel of an image, whole or by sliding windows, with bounded memory.

The results are the same as in mmsegmentation 1.2.2 (`EncoderDecoder.inference`,
`postprocess_result`, `SegTTAModel`): the logits are resized to the size of the image or window that
the model got, averaged over the windows of a pixel, and resized to the original size. With several
scales or the mirror image the probabilities are averaged.

The logits of all classes never exist for all pixels of the original image, unless these are few:
the model's output is kept at its stride, and the rest is done a strip of rows at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.interpolation import resize_bilinear
from vision.ops.resize_rows import MapRows, ResizedRows, Rows
from vision.ops.windows import WindowRows
from vision.options import Range, Ranges, check_ranges

InferenceMode = Literal["whole", "slide"]
Model = Callable[[Tensor], Tensor]

# The logits of one strip: on a CPU so few that they stay near its caches, which makes it faster; on
# an accelerator so many that the number of kernels does not matter.
STRIP_BYTES = {"cpu": 16 * 2**20}
ACCELERATOR_STRIP_BYTES = 256 * 2**20
# Neighbouring strips share up to three rows of their source.
MIN_ROWS = 4
# An image that is enlarged further needs memory of hundreds of times its own.
MAX_SCALE = 16.0

LENGTHS = Range(minimum=1, length=2, unit="pixels (height, width)")
RANGES: Ranges = {
    "mode": get_args(InferenceMode),
    "window": LENGTHS,
    "stride": LENGTHS,
    "scales": Range(above=0, maximum=MAX_SCALE, length=0),
    "windows_per_batch": Range(minimum=1),
}


@dataclass(frozen=True)
class InferenceOptions:
    """Options of the inference on an image: whole or sliding windows, scales and mirroring.

    Attributes:
        mode: How an image is given to the model. "whole" takes it as it is; "slide" takes windows
            and averages their logits, for images larger than in training.
        window: Height and width in pixels of a window of "slide". An image that is smaller along an
            axis is taken whole along it.
        stride: Pixels from one window to the next, down and to the right. The last windows are
            moved back inside the image.
        scales: Factors by which the image is resized. With more than one, such as (0.5, 0.75, 1.0,
            1.25, 1.5, 1.75) in published results "with multi-scale testing", the probabilities are
            averaged.
        flip: Whether the mirror image, left to right, is averaged too at each scale, which doubles
            the time.
        windows_per_batch: Number of windows per image that the model gets at once.

    Raises:
        ConfigError: A value is out of its range.
    """

    mode: InferenceMode = "whole"
    window: tuple[int, int] = (512, 512)
    stride: tuple[int, int] = (341, 341)
    scales: Sequence[float] = (1.0,)
    flip: bool = False
    windows_per_batch: int = 4

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES, group="inference")
        if any(step > side for step, side in zip(self.stride, self.window, strict=True)):
            raise ConfigError(
                f"inference.stride is {tuple(self.stride)}, more than inference.window "
                f"{tuple(self.window)}: pixels between the windows would get no class. Lower the "
                "stride, to two thirds of the window for example."
            )


@torch.no_grad()
def predict_labels(
    model: Model,
    images: Tensor,
    size: tuple[int, int],
    options: InferenceOptions,
    *,
    align_corners: bool = False,
    strip_bytes: int | None = None,
) -> Tensor:
    """The class of each pixel of images of one size.

    Where two classes tie, or all but tie, the last bits of the sums decide, which differ between
    devices and sizes of a strip.

    Args:
        model: Takes float `(N, C, h', w')`, normalised and unpadded, and returns logits of two or
            more classes, float `(N, K, h'', w'')` of any stride.
        images: float `(B, C, h, w)`.
        size: Height H and width W of the original images in pixels.
        options: Whole or by windows, with which scales and mirror images.
        align_corners: As in `F.interpolate`, of the resizes of logits.
        strip_bytes: Bytes of the float32 logits of one strip, up to three of which exist at a time;
            never less than four rows. 16 MiB on a CPU and 256 MiB elsewhere by default.

    Returns:
        int64 `(B, H, W)` class index, on the device of the images.
    """
    views = _views(model, images, size, options, align_corners)
    height, width = size
    classes = views[0].classes
    step = _rows_per_strip(images, size, max(options.scales), classes, strip_bytes)
    dtype = torch.uint8 if classes <= 256 else torch.int16
    labels = torch.empty((len(images), height, width), dtype=dtype, device=images.device)
    for start in range(0, height, step):
        stop = min(start + step, height)
        labels[:, start:stop] = _scores(views, start, stop).max(dim=1).indices
    del views
    return labels.long()


def _views(
    model: Model,
    images: Tensor,
    size: tuple[int, int],
    options: InferenceOptions,
    align_corners: bool,
) -> list[Rows]:
    """The logits in the original size of each scale, and of its mirror image."""
    views: list[Rows] = []
    for scale in options.scales:
        scaled = _scaled(images, scale)
        for mirrored in (False, True) if options.flip else (False,):
            view = _view(model, scaled, options, align_corners, mirrored)
            if view.size != tuple(size):
                view = ResizedRows(view, size, align_corners=align_corners)
            views.append(view)
    return views


def _scaled(images: Tensor, scale: float) -> Tensor:
    height, width = (max(int(side * scale + 0.5), 1) for side in images.shape[2:])
    return resize_bilinear(images, (height, width))


def _view(
    model: Model, images: Tensor, options: InferenceOptions, align_corners: bool, mirrored: bool
) -> Rows:
    """The logits in the size of the images."""
    seen = _through_a_mirror(model) if mirrored else model
    height, width = images.shape[2:]
    if options.mode == "whole" or (height <= options.window[0] and width <= options.window[1]):
        return MapRows(seen(images), (height, width), align_corners=align_corners)
    return WindowRows(
        seen,
        images,
        window=options.window,
        stride=options.stride,
        windows_per_batch=options.windows_per_batch,
        align_corners=align_corners,
        mirrored=mirrored,
    )


def _through_a_mirror(model: Model) -> Model:
    # A bilinear resize and a mean over windows mirror with their input, so that the small logits
    # can be mirrored in place of the large ones.
    return lambda images: model(images.flip(-1)).flip(-1)


def _rows_per_strip(
    images: Tensor, size: tuple[int, int], scale: float, classes: int, strip_bytes: int | None
) -> int:
    if strip_bytes is None:
        strip_bytes = STRIP_BYTES.get(images.device.type, ACCELERATOR_STRIP_BYTES)
    batch, _, height, width = images.shape
    # A view larger than the original has more rows in the same strip, and longer ones.
    pixels = max(size[1], scale * width * max(scale * height / size[0], 1))
    return max(int(strip_bytes / (4 * batch * classes * pixels)), MIN_ROWS)


def _scores(views: list[Rows], start: int, stop: int) -> Tensor:
    """Scores whose maximum is the class of each pixel, `(B, K, stop - start, W)`."""
    if len(views) == 1:
        return views[0].rows(start, stop)  # The softmax has its maximum at the same class.
    total: Tensor | None = None
    for view in views:
        # Classes lie last in memory; a softmax over another axis would copy them.
        shares = view.rows(start, stop).permute(0, 2, 3, 1).softmax(-1)
        total = shares if total is None else total.add_(shares)
    assert total is not None, "at least one scale"
    return total.permute(0, 3, 1, 2)
