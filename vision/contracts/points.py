"""Points of rooms: samples, batches and predictions of the segmentation of point clouds.

Letters: B clouds, P points of files, V voxels that hold points. The points and the voxels of a
batch stand one after another, cloud by cloud, without padding.
"""

from typing import NamedTuple, NotRequired, TypedDict

from torch import Tensor

from vision.contracts.ignored_points import IGNORED

__all__ = ["IGNORED", "PointBatch", "PointPrediction", "PointSample", "VoxelMap"]


class PointSample(TypedDict):
    """One cloud, with one point for each voxel that holds any.

    Keys:
        coords: float32 `(V, 3)` place of the point of each voxel, in voxels, from the lowest corner
            of the cloud: x, y, z with z up, 0 or more. The floor is the voxel; no two are in one.
        colors: uint8 `(V, 3)` RGB.
        normals: float32 `(V, 3)` unit vectors; absent where the data has none.
        label: int64 class index, `IGNORED` for none: in training `(V,)`, of the points of `coords`;
            in evaluation `(P,)`, of all points of the file. Absent in prediction.
        voxel_of: int64 `(P,)` row of `coords` of each point of the file; absent in training.
        path: Where the cloud comes from.
        room: Its name, unique in its dataset.
    """

    coords: Tensor
    colors: Tensor
    normals: NotRequired[Tensor]
    label: NotRequired[Tensor]
    voxel_of: NotRequired[Tensor]
    path: str
    room: str


class PointBatch(TypedDict):
    """A batch of clouds.

    Keys:
        coords: float32 `(V, 3)`, as in `PointSample`, of all clouds.
        colors: uint8 `(V, 3)`, likewise; the task makes them float in -1..1.
        normals: float32 `(V, 3)`, likewise.
        counts: int64 `(B,)` voxels of each cloud.
        label: int64 `(V,)` in training, `(P,)` in evaluation; absent in prediction.
        voxel_of: int64 `(P,)` row of `coords`, of the batch, of each point; absent in training.
        point_counts: int64 `(B,)` points of each cloud's file; absent in training.
        path: Where each cloud comes from.
        room: Name of each.
        index: int64 `(B,)` index of each cloud in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    coords: Tensor
    colors: Tensor
    normals: NotRequired[Tensor]
    counts: Tensor
    label: NotRequired[Tensor]
    voxel_of: NotRequired[Tensor]
    point_counts: NotRequired[Tensor]
    path: list[str]
    room: list[str]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class PointPrediction(TypedDict):
    """The class of each point of one file.

    Keys:
        label: int64 `(P,)` class index.
        scores: float `(P,)` probability of that class.
        path: Where the cloud comes from; the task adds it.
        room: Its name; the task adds it.
    """

    label: Tensor
    scores: Tensor
    path: NotRequired[str]
    room: NotRequired[str]


class VoxelMap(NamedTuple):
    """Features of the voxels of a packed batch at one stride, what encoders of points give.

    Attributes:
        coords: int64 `(V, 4)` sample, x, y, z of the lowest corner, in voxels of the input:
            multiples of `stride`; samples one after another.
        counts: int64 `(B,)` voxels of each sample.
        signal: float `(V, 7)`, or `(V, 10)` with normals: sample, place in voxels of the input,
            colour, normal of the point that stands for each voxel.
        features: float `(V, C)`.
        stride: Voxels of the input per voxel along each axis.
    """

    coords: Tensor
    counts: Tensor
    signal: Tensor
    features: Tensor
    stride: int
