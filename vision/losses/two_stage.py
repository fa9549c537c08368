"""The criterion of two-stage detectors."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import DetectionBatch
from vision.errors import ConfigError
from vision.losses.federated import FederatedClasses
from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.two_stage import (
    AnchorSamples,
    BoxSamples,
    Classifier,
    MaskSamples,
    TwoStageOutputs,
    check_classifier,
)
from vision.options import check_number

BoxLoss = Literal["l1", "giou"]


class TwoStageLoss(nn.Module):
    """Losses of Faster, Mask and Cascade R-CNN, on the samples of the head.

    "Mask R-CNN", He et al., 2017, section 3, and "Cascade R-CNN: High Quality Object Detection and
    Instance Segmentation", Cai and Vasconcelos, 2019, equation 9. Every term is a sum over the
    batch divided by its number of samples (for masks, a mean); the terms of a stage are multiplied
    by the weight of the stage.

    Args:
        box_loss: `"l1"` compares deltas, as published for Mask R-CNN; `"giou"` the boxes
            themselves, as in the Cascade recipes of Swin, ConvNeXt and others.
        box_loss_weight: Factor on the box loss of the stages; 10 in those recipes.
        rpn_smooth_l1_beta: Where the box loss of the region proposal network turns from a parabola
            into a line; 0 for L1; 1 / 9 in the Cascade recipes.
        classifier: The head's: `"sigmoid"` compares each class by itself, and the loss of a sample
            is the sum over them.
        federated_classes: Number of classes that the sigmoids of a batch are compared in, by
            `FederatedClasses`, 50 as published; None for all.
        federated_power: Its exponent of the numbers of training images.

    Raises:
        ConfigError: An option has a value out of its range.
    """

    def __init__(
        self,
        *,
        box_loss: BoxLoss = "l1",
        box_loss_weight: float = 1.0,
        rpn_smooth_l1_beta: float = 0.0,
        classifier: Classifier = "softmax",
        federated_classes: int | None = None,
        federated_power: float = 0.5,
    ) -> None:
        super().__init__()
        if box_loss not in ("l1", "giou"):
            raise ConfigError(f"box_loss={box_loss!r} must be 'l1' or 'giou'.")
        check_number("rpn_smooth_l1_beta", rpn_smooth_l1_beta, minimum=0)
        self.box_loss, self.box_loss_weight, self.rpn_smooth_l1_beta = (
            box_loss,
            box_loss_weight,
            rpn_smooth_l1_beta,
        )
        self.classifier: Classifier = check_classifier(classifier)
        self.federated: FederatedClasses | None = None
        if federated_classes is not None:
            if classifier != "sigmoid":
                raise ConfigError(
                    f"federated_classes={federated_classes} needs a sigmoid for each class: set "
                    "head_options.classifier: sigmoid, or leave it out."
                )
            self.federated = FederatedClasses(federated_classes, power=federated_power)

    def forward(
        self, outputs: TwoStageOutputs, batch: DetectionBatch | None = None
    ) -> dict[str, Tensor]:
        """Weighted terms for the samples of a batch.

        Args:
            outputs: What the head returned in training.
            batch: Not needed: the samples hold their targets.

        Returns:
            `loss_rpn_cls`, `loss_rpn_box`, and per stage `loss_cls`, `loss_box` and, with masks,
            `loss_mask`, each `()`; of several stages each name ends with `_1`, `_2`, ...
        """
        terms = self._anchors(outputs["anchors"])
        stages = outputs["stages"]
        for i, stage in enumerate(stages):
            ending = f"_{i + 1}" if len(stages) > 1 else ""
            for name, value in self._stage(stage).items():
                terms[name + ending] = value * stage["weight"]
        return terms

    def _anchors(self, samples: AnchorSamples) -> dict[str, Tensor]:
        valid, positive = samples["valid"], samples["positive"]
        logits = at_least_float32(samples["logits"])
        # Each image adds one at least of either kind, as in the published code.
        count = sum(kind.sum(dim=1).clamp(min=1).sum() for kind in (positive, valid & ~positive))
        classes = F.binary_cross_entropy_with_logits(
            logits, positive.to(logits.dtype), reduction="none"
        )
        boxes = F.smooth_l1_loss(
            at_least_float32(samples["deltas"]),
            samples["target_deltas"],
            beta=self.rpn_smooth_l1_beta,
            reduction="none",
        ).sum(dim=-1)
        return {
            "loss_rpn_cls": classes.masked_fill(~valid, 0).sum() / count,
            "loss_rpn_box": boxes.masked_fill(~positive, 0).sum() / count,
        }

    def _stage(self, samples: BoxSamples) -> dict[str, Tensor]:
        valid, positive = samples["valid"], samples["positive"]
        logits = at_least_float32(samples["logits"])
        count = valid.sum().clamp(min=1)
        if self.classifier == "sigmoid":
            classes = self._sigmoids(logits, samples)
        else:
            classes = F.cross_entropy(logits.movedim(-1, 1), samples["labels"], reduction="none")
        if self.box_loss == "giou":
            boxes = 1 - paired_giou(samples["boxes"], samples["target_boxes"])
        else:
            difference = at_least_float32(samples["deltas"]) - samples["target_deltas"]
            boxes = difference.abs().sum(dim=-1)
        boxes = boxes.masked_fill(~positive, 0).sum() / count
        terms = {
            "loss_cls": classes.masked_fill(~valid, 0).sum() / count,
            "loss_box": boxes * self.box_loss_weight,
        }
        if "masks" in samples:
            terms["loss_mask"] = _mask_loss(samples["masks"])
        return terms

    def _sigmoids(self, logits: Tensor, samples: BoxSamples) -> Tensor:
        """Losses `(B, S)` of logits `(B, S, K + 1)`, whose last column is not used."""
        labels, classes = samples["labels"], logits.shape[-1] - 1
        wanted = F.one_hot(labels, classes + 1)[..., :-1].to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits[..., :-1], wanted, reduction="none")
        if self.federated is not None:
            chosen = self.federated(labels, samples["valid"], classes)
            losses = losses.masked_fill(~chosen, 0)
        return losses.sum(dim=-1)


def _mask_loss(samples: MaskSamples) -> Tensor:
    logits, weight = at_least_float32(samples["logits"]), samples["weight"]
    losses = F.binary_cross_entropy_with_logits(
        logits, samples["targets"].to(logits.dtype), reduction="none"
    ).mean(dim=(1, 2))
    return (losses * weight).sum() / weight.sum().clamp(min=1)
