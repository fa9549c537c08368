"""Errors of predicted depth, as published for NYUv2 and KITTI.

"Depth Map Prediction from a Single Image using a Multi-Scale Deep Network", Eigen, Puhrsch and
Fergus, 2014, arXiv 1406.2283, has the errors. The numbers are means over images: an image with few
readings counts as much as another.

Letters: H rows, W columns, V valid pixels.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from vision.errors import DataError
from vision.metrics.depth_protocol import DepthProtocol
from vision.ops.depth_crops import crop_window

ERRORS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")


class DepthErrors(NamedTuple):
    """Errors of an image.

    Attributes:
        pixels: V.
        factor: What the prediction was multiplied by; 1 without scaling.
        values: The numbers of `ERRORS`.
    """

    pixels: int
    factor: float
    values: Mapping[str, float]


def measure_depth(
    predicted: np.ndarray, truth: np.ndarray, protocol: DepthProtocol
) -> DepthErrors | None:
    """Measure the prediction of an image.

    Args:
        predicted: float `(H, W)`, metres, or any unit if the protocol scales. After that, infinite
            values become the maximum and NaN the minimum.
        truth: float `(H, W)`, metres; 0 is no reading.
        protocol: What counts.

    Returns:
        The errors, or None if no pixel is valid.

    Raises:
        DataError: The image is smaller than its crop, or the prediction cannot be scaled.
    """
    compared = compared_depths(predicted, truth, protocol)
    if compared is None:
        return None
    predicted, truth, factor = compared
    return DepthErrors(len(truth), factor, depth_errors(predicted, truth))


def compared_depths(
    predicted: np.ndarray, truth: np.ndarray, protocol: DepthProtocol
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """The depths of an image that count, as they are compared.

    Args:
        predicted: As in `measure_depth`.
        truth: As in `measure_depth`.
        protocol: What counts.

    Returns:
        Scaled and clipped predictions, and the truth, float64 `(V,)` metres, and the factor that
        predictions were multiplied by; None if no pixel is valid.

    Raises:
        DataError: As in `measure_depth`.
    """
    window = crop_window(protocol.crop, *truth.shape)
    truth, predicted = truth[window], predicted[window]
    valid = (truth > protocol.min_depth) & (truth < protocol.max_depth)
    if not valid.any():
        return None
    truth, predicted = truth[valid].astype(np.float64), predicted[valid].astype(np.float64)
    factor, shift = _scaling(predicted, truth, protocol.scale)
    predicted = np.nan_to_num(
        predicted * factor + shift, nan=protocol.min_depth, posinf=protocol.max_depth
    )
    return predicted.clip(protocol.min_depth, protocol.max_depth), truth, factor


def depth_errors(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The errors of some depths.

    Args:
        predicted: float64 `(V,)`, positive.
        truth: float64 `(V,)`, positive.

    Returns:
        By name: `abs_rel` mean |d - g| / g; `sq_rel` mean (d - g)^2 / g, in metres; `rmse` in
        metres; `rmse_log` of natural logarithms; `log10` mean |log10 d - log10 g|; `silog` 100
        times the standard deviation of log d - log g; `delta1` to `delta3` shares of pixels with
        max(d / g, g / d) below 1.25, 1.25^2, 1.25^3.
    """
    difference, logs = predicted - truth, np.log(predicted) - np.log(truth)
    ratio = np.maximum(predicted / truth, truth / predicted)
    return {
        "abs_rel": float(np.mean(np.abs(difference) / truth)),
        "sq_rel": float(np.mean(difference**2 / truth)),
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "rmse_log": float(np.sqrt(np.mean(logs**2))),
        "log10": float(np.mean(np.abs(logs)) / np.log(10)),
        "silog": float(100 * np.std(logs)),
        **{f"delta{power}": float(np.mean(ratio < 1.25**power)) for power in (1, 2, 3)},
    }


def _scaling(predicted: np.ndarray, truth: np.ndarray, scale: str) -> tuple[float, float]:
    """A factor and a shift for the prediction."""
    if scale == "none":
        return 1.0, 0.0
    finite = np.isfinite(predicted)
    if not finite.any():
        raise DataError("no prediction is finite where the ground truth is valid.")
    predicted, truth = predicted[finite], truth[finite]
    if scale == "median":
        median = float(np.median(predicted))
        if median <= 0:
            raise DataError(
                f"the median prediction is {median:g}; expected a positive one to scale by. Scale"
                " by 'least-squares', or not at all."
            )
        return float(np.median(truth)) / median, 0.0
    centred = predicted - predicted.mean()
    spread = float(np.mean(centred**2))
    factor = float(np.mean(centred * truth)) / spread if spread > 0 else 0.0
    return factor, float(truth.mean() - factor * predicted.mean())
