"""The federated loss: classes of a batch that are compared, the others left aside.

"Probabilistic two-stage detection", Zhou et al., 2021, arXiv 2103.07461, section 5, as in its code
(xingyizhou/CenterNet2) and in detectron2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.options import Range, check_ranges


class FederatedClasses(nn.Module):
    """Chooses the classes of a batch for which the absence of objects counts.

    In a dataset such as LVIS most images were never checked for most classes, and a detection of
    one is punished by mistake; and most samples are negatives of rare classes. So a batch is
    compared only in the classes of its objects and in others that are drawn at random, each with a
    chance that grows with the number of its training images. The background counts as a class of
    the batch where it occurs, as in the published code.

    Args:
        num_federated: Classes that are compared, 50 as published; if the objects of a batch have
            more, these alone.
        power: Exponent of the numbers of images, which then are the weights of the draw.

    Attributes:
        weights: float `(K,)`, weight of each class; None before `set_image_counts`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(self, num_federated: int = 50, *, power: float = 0.5) -> None:
        super().__init__()
        values = {"federated_classes": num_federated, "federated_power": power}
        ranges = {"federated_classes": Range(minimum=1), "federated_power": Range(minimum=0)}
        check_ranges(values, ranges)
        self.num_federated, self.power = num_federated, power
        self.weights: Tensor | None
        self.register_buffer("weights", None, persistent=False)

    def set_image_counts(self, counts: Sequence[int] | Tensor) -> None:
        """Set the number of training images with each class, by label.

        Classes without images are never drawn.
        """
        weights = torch.as_tensor(counts, dtype=torch.float32)
        self.weights = torch.where(weights > 0, weights**self.power, weights)

    def forward(self, labels: Tensor, valid: Tensor, num_classes: int) -> Tensor:
        """Choose the classes for the samples of a batch.

        Args:
            labels: int64 of any shape, class of each sample, `num_classes` for the background.
            valid: bool of the same shape, whether a sample counts.
            num_classes: Number of classes K.

        Returns:
            bool `(K,)`.
        """
        weights = self.weights
        assert weights is not None, "the task sets the numbers of images"
        weights = weights.to(labels.device)
        present = torch.zeros(num_classes + 1, dtype=torch.bool, device=labels.device)
        present.index_fill_(0, torch.where(valid, labels, 0).flatten(), True)
        # Class 0 stood in for the samples that do not count.
        present[0] = (valid & (labels == 0)).any()
        wanted = self.num_federated - present.sum()
        # The largest of log(weight) plus Gumbel noise are a draw without replacement, and unlike
        # torch.multinomial this neither waits for a GPU nor fails where too few have a weight.
        noise = -torch.empty_like(weights).exponential_().log()
        keys = (weights.log() + noise).masked_fill(present[:-1], -torch.inf)
        ranks = keys.argsort(descending=True).argsort()
        return present[:-1] | ((ranks < wanted) & (keys > -torch.inf))
