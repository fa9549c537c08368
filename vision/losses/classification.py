"""The criteria of image classification: cross-entropy, one sigmoid per class, focal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.classification import ClassificationBatch, ClassificationOutputs
from vision.errors import ConfigError
from vision.options import PROBABILITY, Range, Ranges, check_ranges

LossName = Literal["cross_entropy", "bce", "focal"]
BALANCED = "balanced"

RANGES: Ranges = {
    "name": get_args(LossName),
    "target_threshold": Range(above=0, below=1, optional=True),
    "alpha": PROBABILITY,
    "gamma": Range(minimum=0),
}


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Options of the loss of a classifier.

    Attributes:
        name: "cross_entropy" of the softmax; "bce", the binary cross-entropy of one sigmoid per
            class ("ResNet strikes back", Wightman et al., 2021, section 3.1); or "focal", the focal
            loss of one sigmoid per class ("Focal Loss for Dense Object Detection", Lin et al.,
            2017, equation 5).
        target_threshold: For "bce", a class counts as fully present where its share of a mixed
            target is larger, and else as absent; 0.2 in recipes A1 to A3. None keeps the shares.
        sum_classes: Whether "bce" and "focal" are summed over the classes, not averaged.
        alpha: Weight of a present class in "focal"; an absent one has `1 - alpha`.
        gamma: Exponent of the modulating factor of "focal".
        class_weights: A weight for each class, in the order of the classes; "balanced" weighs each
            by the inverse of its share of the training images. None weighs all alike.

    Raises:
        ConfigError: A value is out of its range, or belongs to another loss.
    """

    name: LossName = "cross_entropy"
    target_threshold: float | None = None
    sum_classes: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    class_weights: list[float] | Literal["balanced"] | None = None

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES, group="loss")
        if self.target_threshold is not None and self.name != "bce":
            raise ConfigError(
                f"loss.target_threshold={self.target_threshold} is an option of 'bce'; "
                f"loss.name={self.name!r}."
            )
        weights = self.class_weights
        if weights is not None and weights != BALANCED:
            bounds = Range(minimum=0, length=0)
            check_ranges({"class_weights": weights}, {"class_weights": bounds}, group="loss")
            if not any(weights):
                raise ConfigError("loss.class_weights are all 0: no class would be trained.")


def balanced_weights(counts: Tensor) -> Tensor:
    """Weights `(K,)` by which each class counts alike: N / (K * count), of N images in all.

    Args:
        counts: int64 `(K,)`, number of training images of each class; one without any has weight 0.
    """
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1))
    return weights.float().where(present, 0)


class ClassificationLoss(nn.Module):
    """The loss of the settings, for class indices, class probabilities or sets of classes.

    Label smoothing ("Rethinking the Inception Architecture", 2016, section 7), thresholds and
    weights of classes belong to training: in evaluation mode the plain loss is computed, by which
    recipes can be compared.

    Args:
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1).
        settings: The loss.
        num_classes: Number of classes, to check the weights; None does not check it.
        multi_label: Whether each class is present or absent by itself: smoothing then moves both
            towards a half, and not the present one towards all others.

    Attributes:
        class_weights: Weight of each class `(K,)`; None while all count alike.

    Raises:
        ConfigError: There are not as many weights as classes.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        *,
        settings: LossSettings | None = None,
        num_classes: int | None = None,
        multi_label: bool = False,
    ) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.label_smoothing = label_smoothing
        self.settings = settings or LossSettings()
        self.class_weights: Tensor | None
        # Not in the state dict: they come from the config or the data.
        self.register_buffer("class_weights", None, persistent=False)
        weights = self.settings.class_weights
        if weights is not None and not isinstance(weights, str):
            self.set_weights(weights, num_classes)

    def set_weights(self, weights: Sequence[float] | Tensor, num_classes: int | None) -> None:
        """Set the weight of each class.

        Raises:
            ConfigError: There are not as many as classes.
        """
        if num_classes is not None and len(weights) != num_classes:
            raise ConfigError(
                f"loss.class_weights has {len(weights)} numbers for {num_classes} classes: give a "
                "number for each class."
            )
        self.class_weights = torch.as_tensor(weights, dtype=torch.float32)

    def forward(
        self, outputs: ClassificationOutputs, batch: ClassificationBatch
    ) -> dict[str, Tensor]:
        """Compare logits `(B, K)` with labels: `(B,)` int64, or `(B, K)` shares or 0 and 1.

        Returns:
            `{"loss_cls": ()}`, the mean over the batch, in float32 at least.
        """
        logits, labels = outputs["logits"], batch["label"]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if labels.is_floating_point():
            labels = labels.to(logits.dtype)
        weights = self.class_weights if self.training else None
        if self.settings.name == "cross_entropy":
            smoothing = self.label_smoothing if self.training else 0.0
            loss = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
            return {"loss_cls": loss}
        terms = self._of_sigmoids(logits, self._targets(labels, logits.shape[1]))  # (B, K)
        if weights is not None:
            terms = terms * weights
        return {"loss_cls": terms.sum(1).mean() if self.settings.sum_classes else terms.mean()}

    def _targets(self, labels: Tensor, classes: int) -> Tensor:
        """How far each class is present `(B, K)`."""
        if not labels.is_floating_point():
            labels = F.one_hot(labels, classes).float()
        if not self.training:
            return labels
        if self.label_smoothing:
            towards = 0.5 if self.multi_label else 1 / classes
            labels = torch.lerp(labels, torch.full_like(labels, towards), self.label_smoothing)
        threshold = self.settings.target_threshold
        return labels if threshold is None else (labels > threshold).to(labels.dtype)

    def _of_sigmoids(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.settings.name == "bce":
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        from torchvision.ops import sigmoid_focal_loss

        alpha, gamma = self.settings.alpha, self.settings.gamma
        return sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma)
