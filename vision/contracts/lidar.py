"""Sweeps of a lidar: samples, batches and predictions of the detection of boxes in space.

Letters: B sweeps, P points, C numbers of a point, M objects that are learned or found in one sweep.
The points of a batch stand one after another, sweep by sweep, without padding. Points and boxes are
in the frame `LIDAR` of `vision/contracts/boxes3d.py`, unless a camera is named.
"""

from typing import NotRequired, TypedDict

from torch import Tensor

from vision.contracts.detection3d import Boxes3DPrediction, Boxes3DTruth


class LidarTarget(TypedDict):
    """The objects to be learned in one sweep.

    Keys:
        boxes3d: float32 `(M, 7)`.
        labels: int64 `(M,)` class index.
    """

    boxes3d: Tensor
    labels: Tensor


class LidarSample(TypedDict):
    """One sweep with its objects.

    Keys:
        points: float32 `(P, C)`: x, y, z in metres, then what else the lidar measures, such as the
            reflectance in [0, 1].
        lidar_to_camera: float32 `(4, 4)`, leads from the frame of `points` to that of the camera.
        camera: float32 `(3, 4)`, projects `(x, y, z, 1)` in the frame of the camera to pixels.
        camera_size: int64 `(2,)` height and width in pixels of that image.
        path: Where the sweep comes from.
        target: What is learned; absent in evaluation and prediction.
        truth: What is annotated, in the frame of the camera; absent in training and prediction.
    """

    points: Tensor
    lidar_to_camera: Tensor
    camera: Tensor
    camera_size: Tensor
    path: str
    target: NotRequired[LidarTarget]
    truth: NotRequired[Boxes3DTruth]


class LidarBatch(TypedDict):
    """A batch of sweeps.

    Keys:
        points: float32 `(P, C)`, as in `LidarSample`, of all sweeps.
        counts: int64 `(B,)` points of each sweep.
        lidar_to_camera: float32 `(B, 4, 4)`, as in `LidarSample`.
        camera: float32 `(B, 3, 4)`, likewise.
        camera_size: int64 `(B, 2)`, likewise.
        path: Where each sweep comes from.
        target: What is learned of each sweep; absent in evaluation and prediction.
        truth: What is annotated in each; absent in training and prediction.
        index: int64 `(B,)` index of each sweep in its dataset.
        repeated: As in `ClassificationBatch`.
    """

    points: Tensor
    counts: Tensor
    lidar_to_camera: Tensor
    camera: Tensor
    camera_size: Tensor
    path: list[str]
    target: NotRequired[list[LidarTarget]]
    truth: NotRequired[list[Boxes3DTruth]]
    index: NotRequired[Tensor]
    repeated: NotRequired[bool]


class LidarPrediction(Boxes3DPrediction):
    """The objects that were found in one sweep, by falling score.

    What `Boxes3DPrediction` has is in the frame of the camera and in its image: of an object that
    is not in front of it, the 2-D box is empty.

    Keys:
        boxes3d_lidar: float `(M, 7)` in the frame `LIDAR`.
    """

    boxes3d_lidar: Tensor
