"""The criteria of depth and of surface normals.

Letters: B images, H rows, W columns. Every error is a mean over the valid pixels of an image, 0
where it has none; a loss is the mean over the images that have one. All of it is in float32 at
least.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from vision.contracts.depth import DepthBatch
from vision.contracts.normals import NormalsBatch
from vision.errors import ConfigError, suggest
from vision.ops.boxes import at_least_float32
from vision.ops.interpolation import resize_by_width
from vision.ops.value_maps import ValueMaps, unit_length
from vision.options import Range, check_number, check_ranges

# Predictions `(B, ...)`, targets of the same shape, and `(B, H, W)` which pixels are valid; `(B,)`.
Error = Callable[[Tensor, Tensor, Tensor], Tensor]
# deeplab2's loss of depth has both.
DEEPLAB: Mapping[str, float] = {"scale_invariant": 1.0, "relative": 1.0}
COSINE: Mapping[str, float] = {"cosine": 1.0}


def scale_invariant_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Variance of the logarithm of target over prediction.

    The first part of deeplab2's loss of depth. A factor of all predictions does not change it.

    Args:
        predicted: float `(B, H, W)`, above 0.
        target: float `(B, H, W)`, above 0 where it is valid.
        valid: bool `(B, H, W)`.

    Returns:
        `(B,)`.
    """
    return _variance(*_log_ratio(predicted, target, valid))[0]


def silog_error(
    predicted: Tensor, target: Tensor, valid: Tensor, *, variance_focus: float, alpha: float
) -> Tensor:
    """`alpha` times the root of mean(e^2) - `variance_focus` mean(e)^2, e the logarithm of a ratio.

    After "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network", Eigen et al.,
    2014, https://arxiv.org/abs/1406.2283, with the root and the factor of "From Big to Small", Lee
    et al., 2019, https://arxiv.org/abs/1907.10326.

    Args:
        predicted: float `(B, H, W)`, above 0.
        target: float `(B, H, W)`, above 0 where it is valid.
        valid: bool `(B, H, W)`.
        variance_focus: In [0, 1]; with 1 a factor of all predictions does not change the error.
        alpha: Factor of the root.

    Returns:
        `(B,)`.
    """
    variance, mean = _variance(*_log_ratio(predicted, target, valid))
    return alpha * _root(variance + (1 - variance_focus) * mean**2)


def relative_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Root of the mean squared relative error, the second part of deeplab2's loss of depth.

    Args:
        predicted: float `(B, H, W)`.
        target: float `(B, H, W)`, above 0 where it is valid.
        valid: bool `(B, H, W)`.

    Returns:
        `(B,)`.
    """
    predicted, target = predicted.where(valid, 1), target.where(valid, 1)
    return _root(_mean(((target - predicted) / target) ** 2, valid))


def absolute_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference `(B,)`, of each depth `(B, H, W)` or vector `(B, C, H, W)`.

    The differences of the components of a vector are summed.
    """
    difference = _difference(predicted, target, valid).abs()
    return _mean(difference.sum(dim=1) if difference.ndim == 4 else difference, valid)


def cosine_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """One minus the cosine of the angle between unit vectors `(B, 3, H, W)`, in [0, 2]; `(B,)`."""
    return _mean(1 - (predicted * target).where(valid[:, None], 0).sum(dim=1), valid)


def distance_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean length of the difference of vectors `(B, 3, H, W)`; `(B,)`."""
    difference = _difference(predicted, target, valid)
    return _mean(_root((difference**2).sum(dim=1)), valid)


class DenseLoss(nn.Module):
    """Weighted errors of values, enlarged to the targets, and of those of each decoder layer.

    Args:
        terms: Factor of each error by name.
        layer_weight: Factor of the errors of decoder layers, if the head has such.

    Raises:
        ConfigError: A term is unknown, or a value out of its range.
    """

    names: ClassVar[tuple[str, ...]]

    def __init__(self, *, terms: Mapping[str, float], layer_weight: float) -> None:
        super().__init__()
        if not terms:
            raise ConfigError(f"terms is empty, expected one at least of {', '.join(self.names)}.")
        for name, weight in terms.items():
            if name not in self.names:
                raise ConfigError(
                    f"terms: {name!r} is not one of {', '.join(self.names)}."
                    f"{suggest(name, self.names)}"
                )
            check_number(f"terms.{name}", weight, minimum=0)
        check_number("layer_weight", layer_weight, minimum=0)
        self.terms, self.layer_weight = dict(terms), layer_weight

    def compare(
        self,
        outputs: ValueMaps,
        read: Callable[[Tensor], Tensor],
        target: Tensor,
        valid: Tensor,
        errors: Mapping[str, Error],
    ) -> dict[str, Tensor]:
        """The weighted terms of a batch.

        Args:
            outputs: What the head returned.
            read: Turns values that were enlarged, `(B, C, H, W)`, into what errors compare.
            target: float `(B, ..., H, W)`.
            valid: bool `(B, H, W)`.
            errors: The errors by name.

        Returns:
            One term `()` per name in `terms`, and per decoder layer, as `silog_0`.
        """
        size = (target.shape[-2], target.shape[-1])
        counted = valid.flatten(1).any(dim=1)
        losses: dict[str, Tensor] = {}
        for suffix, factor, values in self._maps(outputs):
            values = read(resize_by_width(at_least_float32(values), size))
            for name, weight in self.terms.items():
                of_image = errors[name](values, target.to(values.dtype), valid)
                mean = of_image.sum() / counted.sum().clamp(min=1)
                losses[name + suffix] = factor * weight * mean
        return losses

    def _maps(self, outputs: ValueMaps) -> Iterator[tuple[str, float, Tensor]]:
        yield "", 1.0, outputs["values"]
        for i, values in enumerate(outputs.get("layers", [])):
            yield f"_{i}", self.layer_weight, values


class DepthLoss(DenseLoss):
    """Errors of depth: those pixels count whose depth lies between the limits.

    Args:
        terms: Factor of each error by name: "scale_invariant" and "relative", deeplab2's loss with
            equal weights and the default; "silog"; "l1", in metres.
        variance_focus: Of "silog", as for `silog_error`.
        alpha: Likewise.
        layer_weight: Factor of the errors of decoder layers, if the head has such.
        min_depth: Depths of the target above it count, in metres.
        max_depth: Likewise those below it.

    Raises:
        ConfigError: A term is unknown, or a value out of its range.
    """

    names = ("scale_invariant", "relative", "silog", "l1")

    def __init__(
        self,
        *,
        terms: Mapping[str, float] = DEEPLAB,
        variance_focus: float = 0.85,
        alpha: float = 10.0,
        layer_weight: float = 1.0,
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
    ) -> None:
        super().__init__(terms=terms, layer_weight=layer_weight)
        ranges = {
            "variance_focus": Range(minimum=0, maximum=1),
            "alpha": Range(above=0),
            "min_depth": Range(above=0, unit="metres"),
        }
        given = {"variance_focus": variance_focus, "alpha": alpha, "min_depth": min_depth}
        check_ranges(given, ranges)
        check_number("max_depth", max_depth, above=min_depth, unit="metres")
        self.variance_focus, self.alpha = variance_focus, alpha
        self.min_depth, self.max_depth = min_depth, max_depth

    def forward(self, outputs: ValueMaps, batch: DepthBatch) -> dict[str, Tensor]:
        """Compare the depths of a batch with its readings.

        Args:
            outputs: What the head returned, in metres.
            batch: `depth` is read.

        Returns:
            One weighted term `()` per name in `terms`, and per decoder layer, as `silog_0`.
        """
        target = batch["depth"]
        valid = (target > self.min_depth) & (target < self.max_depth)
        errors: dict[str, Error] = {
            "scale_invariant": scale_invariant_error,
            "relative": relative_error,
            "silog": self._silog,
            "l1": absolute_error,
        }
        with torch.autocast(target.device.type, enabled=False):
            return self.compare(outputs, lambda x: x[:, 0], target, valid, errors)

    def _silog(self, predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        focus, alpha = self.variance_focus, self.alpha
        return silog_error(predicted, target, valid, variance_focus=focus, alpha=alpha)


class NormalsLoss(DenseLoss):
    """Errors of unit vectors: those pixels count that have a normal.

    Args:
        terms: Factor of each error by name: "cosine" is one minus the cosine of the angle; "l1" the
            sum of the differences of the components; "l2" the length of the difference.
        layer_weight: Factor of the errors of decoder layers, if the head has such.

    Raises:
        ConfigError: A term is unknown, or a value out of its range.
    """

    names = ("cosine", "l1", "l2")

    def __init__(self, *, terms: Mapping[str, float] = COSINE, layer_weight: float = 1.0) -> None:
        super().__init__(terms=terms, layer_weight=layer_weight)

    def forward(self, outputs: ValueMaps, batch: NormalsBatch) -> dict[str, Tensor]:
        """Compare the normals of a batch with the true ones.

        Args:
            outputs: What the head returned, unit vectors.
            batch: `normals` is read; a zero vector is none.

        Returns:
            One weighted term `()` per name in `terms`, and per decoder layer, as `cosine_0`.
        """
        target = batch["normals"]
        valid = (target != 0).any(dim=1)
        errors: dict[str, Error] = {
            "cosine": cosine_error,
            "l1": absolute_error,
            "l2": distance_error,
        }
        with torch.autocast(target.device.type, enabled=False):
            return self.compare(outputs, unit_length, target, valid, errors)


def _log_ratio(predicted: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    # Invalid pixels are replaced before the logarithm: behind it their gradient would be NaN.
    return target.where(valid, 1).log() - predicted.where(valid, 1).log(), valid


def _variance(errors: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean `(B,)`; from differences to the mean, since squares of logs cancel."""
    mean = _mean(errors, valid)
    return _mean((errors - mean[:, None, None]) ** 2, valid), mean


def _difference(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    shown = valid if predicted.ndim == valid.ndim else valid[:, None]
    return (predicted - target).where(shown, 0)


def _mean(errors: Tensor, valid: Tensor) -> Tensor:
    """Mean `(B,)` over the valid pixels of each image; 0 where there are none."""
    total = errors.where(valid, 0).flatten(1).sum(dim=1)
    return total / valid.flatten(1).sum(dim=1).clamp(min=1)


def _root(x: Tensor) -> Tensor:
    """Square root with a gradient of 0 at 0."""
    positive = x > 0
    return x.where(positive, 1).sqrt().where(positive, 0)
