"""Export graph of a classifier for any number of classes: from images to a probability each."""

from torch import Tensor

from vision.export.classification import ClassificationGraph


class MultiLabelGraph(ClassificationGraph):
    """A classifier with its normalisation and a sigmoid for each class.

    Takes the arguments of `ClassificationGraph`.
    """

    kind = "multilabel"

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits `(B, K)` to the probability of each class by itself."""
        return logits.sigmoid()
