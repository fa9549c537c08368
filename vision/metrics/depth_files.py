"""Depth measured between two folders of depth maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.errors import DataError
from vision.metrics.depth import DepthErrors, measure_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.depth_table import DepthScores
from vision.metrics.file_pairs import FilePair, read_ahead, require_equal_sizes
from vision.ops.depth_maps import check_depth, read_depth

__all__ = ["DepthScores", "evaluate_depth"]


def evaluate_depth(
    pairs: Sequence[FilePair],
    protocol: DepthProtocol,
    *,
    annotation_scale: float | None = None,
    prediction_scale: float | None = None,
    resize: bool = False,
    workers: int = 0,
) -> DepthScores:
    """Compare depth maps, a few at a time.

    Args:
        pairs: Their files, as `read_depth` reads them.
        protocol: What counts.
        annotation_scale: Value of one metre in PNG files of the ground truth.
        prediction_scale: Likewise of the predictions.
        resize: Whether predictions of another size are resized bilinearly, before the crop.
        workers: Threads that read files; 0 reads them one after the other.

    Raises:
        DataError: A file is broken, has another size or depths that are none, or no image has a
            valid pixel.
        ConfigError: A scale is needed.
    """

    def measure(pair: FilePair) -> tuple[DepthErrors | None, float]:
        truth = read_depth(pair.annotation, annotation_scale, "--annotation-scale")
        check_depth(truth, pair.annotation)
        found = read_depth(pair.prediction, prediction_scale, "--prediction-scale")
        if resize and found.shape != truth.shape:
            found = _resized(found, truth.shape, pair.prediction)
        require_equal_sizes(found.shape, truth.shape, pair, " --resize resizes it.")
        try:
            return measure_depth(found, truth, protocol), float(truth.max())
        except DataError as error:
            raise DataError(f"'{pair.prediction}': {error}") from error

    measured: list[tuple[str, DepthErrors]] = []
    farthest = 0.0
    for pair, (errors, maximum) in zip(pairs, read_ahead(measure, pairs, workers), strict=True):
        farthest = max(farthest, maximum)
        if errors is not None:
            measured.append((pair.annotation.as_posix(), errors))
    if not measured:
        raise DataError(
            f"none of {len(pairs):,} annotations, such as '{pairs[0].annotation}', has a valid"
            f" pixel: between {protocol.min_depth:g} and {protocol.max_depth:g} m, in the crop"
            f" '{protocol.crop}'. The largest depth is {farthest:g} m. Check the value of one metre"
            " in PNG files (--annotation-scale), --min, --max and --crop."
        )
    return DepthScores(measured, len(pairs) - len(measured), protocol)


def _resized(depth: np.ndarray, size: tuple[int, ...], path: Path) -> np.ndarray:
    if not np.isfinite(depth).all():
        raise DataError(
            f"'{path}' has depths that are infinite or NaN, which cannot be resized. Write it in"
            " the size of its annotation."
        )
    # Files of one size do not wait for it.
    import torch

    from vision.ops.interpolation import resize_bilinear

    resized = resize_bilinear(torch.from_numpy(depth)[None, None], (size[0], size[1]))
    return resized[0, 0].numpy()
