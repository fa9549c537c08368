"""Volumes: samples, batches and predictions of the segmentation of 3-D images.

Letters: B volumes or patches, C modalities, K outputs; D, H, W cells along the three axes of an
array. A volume has a fixed orientation, such as "RAS": along D the index grows to the right of the
patient, along H to the anterior, along W to the superior. Its affine leads from the index of a cell
`(d, h, w)` to its place in the world in millimetres: x right, y anterior, z superior, as NIfTI has
them. The original volume is the first file of a subject, as it is stored.
"""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from torch import Tensor

# The label of cells that are ignored in training and in metrics.
IGNORED = 255
# Regions that overlap, each by its name: the classes that it consists of.
Regions = Mapping[str, tuple[int, ...]]


class VolumeSample(TypedDict):
    """One volume, or a patch of one, with the class of each cell.

    Keys:
        volume: float32 `(C, D, H, W)`, normalised.
        affine: float32 `(4, 4)`, of the cells of `volume`.
        original_size: int64 `(3,)` cells along each axis of the original volume.
        original_affine: float32 `(4, 4)`, of the cells of the original volume.
        subject: Name of the subject, unique in its dataset.
        path: The first file of the subject, which has the original grid.
        mask: uint8 `(d, h, w)` class index, `IGNORED` where there is none: in training of the cells
            of `volume`, in evaluation of the original volume, in the order of its axes. Absent in
            prediction.
    """

    volume: Tensor
    affine: Tensor
    original_size: Tensor
    original_affine: Tensor
    subject: str
    path: str
    mask: NotRequired[Tensor]


class VolumeBatch(TypedDict):
    """A batch of volumes with the class of each cell, padded at the end of each axis to one size.

    Keys:
        volume: float32 `(B, C, D, H, W)`, padded with 0.
        size: int64 `(B, 3)` valid cells along each axis.
        affine: float32 `(B, 4, 4)`, as in `VolumeSample`.
        original_size: int64 `(B, 3)`, likewise.
        original_affine: float32 `(B, 4, 4)`, likewise.
        subject: Name of each subject.
        path: First file of each subject.
        mask: uint8 `(B, d, h, w)` class index, padded with `IGNORED`: in training of the cells of
            `volume`, in evaluation of the original volumes. Absent in prediction.
        index: int64 `(B,)` index of each volume in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    volume: Tensor
    size: Tensor
    affine: Tensor
    original_size: Tensor
    original_affine: Tensor
    subject: list[str]
    path: list[str]
    mask: NotRequired[Tensor]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class VolumeOutputs(TypedDict):
    """What a head for volumes returns.

    Keys:
        logits: float `(B, K, D, H, W)`, before the sigmoid of each region, or the softmax over
            classes, at the size of the input.
        deeper: Logits of coarser maps that help training, `(B, K, D', H', W')` each, finest first;
            absent where there are none, and in evaluation.
    """

    logits: Tensor
    deeper: NotRequired[list[Tensor]]


class VolumePrediction(TypedDict):
    """The class of each cell of one original volume.

    Keys:
        mask: uint8 `(D, H, W)` class index, of the original cells in the order of their axes.
        regions: bool `(K, D, H, W)`, the cells of each region, likewise; absent of a model of
            classes.
        probabilities: float16 `(K, D, H, W)` of each region or class, likewise; absent unless they
            were asked for.
        subject: Name of the subject; the task adds it.
        path: The first file of the subject; the task adds it.
    """

    mask: Tensor
    regions: NotRequired[Tensor]
    probabilities: NotRequired[Tensor]
    subject: NotRequired[str]
    path: NotRequired[str]
