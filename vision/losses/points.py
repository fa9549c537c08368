"""The criterion of the segmentation of point clouds.

Letters: V points of a batch, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.points import IGNORED
from vision.errors import ConfigError, suggest
from vision.losses.lovasz import LovaszOptions, lovasz_loss
from vision.ops.boxes import at_least_float32
from vision.options import Range, check_number, check_ranges

TERMS = ("cross_entropy", "lovasz")
OVER_A_BATCH = LovaszOptions(per_image=False)


@dataclass(frozen=True, kw_only=True)
class PointLossOptions:
    """Options of the criterion of point clouds.

    Attributes:
        terms: Factor of each term by name: "cross_entropy", mean over the points with a label, and
            "lovasz", the Lovász-Softmax loss over the points of a batch.
        class_weights: Factor of each class in the cross entropy, which is then divided by the sum
            of the factors of the points; None for none.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).

    Raises:
        ConfigError: A term is unknown, or a value out of its range.
    """

    terms: Mapping[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    class_weights: Sequence[float] | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not self.terms:
            raise ConfigError(f"terms is empty, expected one or more of {', '.join(TERMS)}.")
        for name, weight in self.terms.items():
            if name not in TERMS:
                raise ConfigError(
                    f"terms: {name!r} is not one of {', '.join(TERMS)}.{suggest(name, TERMS)}"
                )
            check_number(f"terms.{name}", weight, minimum=0)
        ranges = {
            "class_weights": Range(minimum=0, length=0, optional=True),
            "label_smoothing": Range(minimum=0, below=1),
        }
        check_ranges(vars(self), ranges)


class PointLoss(nn.Module):
    """Weighted sum of terms that compare logits with the class of each point.

    Points without a label do not count. Everything is computed in float32 at least.

    Args:
        options: The terms.
        num_classes: K.

    Raises:
        ConfigError: `class_weights` are for another number of classes.
    """

    class_weights: Tensor | None

    def __init__(self, options: PointLossOptions, *, num_classes: int) -> None:
        super().__init__()
        self.options = options
        given = options.class_weights
        if given is not None and len(given) != num_classes:
            raise ConfigError(
                f"class_weights has {len(given)} numbers, expected one for each of the "
                f"{num_classes} classes."
            )
        # A recipe's constant, which no checkpoint needs to hold.
        weights = None if given is None else torch.tensor(given).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Compare the logits of a batch with its labels.

        Args:
            logits: float `(V, K)`.
            label: int64 `(V,)` class of each point, `IGNORED` where there is none.

        Returns:
            One weighted term `()` per name in `terms`; 0 where no point has a label.
        """
        logits = at_least_float32(logits)
        losses = {}
        for name, weight in self.options.terms.items():
            if name == "cross_entropy":
                losses[name] = weight * self._cross_entropy(logits, label)
            else:
                # As an image of one row.
                row, labels = logits.T[None, :, None], label[None, None]
                losses[name] = weight * lovasz_loss(row, labels, OVER_A_BATCH)
        return losses

    def _cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        weights = None if self.class_weights is None else self.class_weights.to(logits.dtype)
        total = F.cross_entropy(
            logits,
            label,
            weight=weights,
            ignore_index=IGNORED,
            label_smoothing=self.options.label_smoothing,
            reduction="sum",
        )
        valid = label != IGNORED
        if weights is None:
            return total / valid.sum().clamp(min=1)
        counts = weights[label.where(valid, 0)].where(valid, 0)
        return total / counts.sum().clamp(min=torch.finfo(total.dtype).eps)
