"""Sweeps of a lidar as the input of a detector of boxes in space.

Letters: B sweeps, P points of all of them, C numbers of a point.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vision.contracts.lidar import LidarPrediction
from vision.ops.lidar_predictions import looking_ahead, view_objects
from vision.tasks.first_batch import Stage, require_keys
from vision.tasks.image import use_channels_last
from vision.tasks.lidar_checks import check_lidar_targets, check_sweeps
from vision.tasks.scene_inputs.base import SceneInput


class LidarScenes(SceneInput):
    """The points of sweeps: batches as `LidarBatch`.

    Points outside the range of the reader are left out, by the task itself, so that a model does
    not depend on what its data cuts. The task has a `reader` of pillars, a `backbone` of their
    features, a `neck` of the map seen from above, a head like `CenterHead` and its `criterion`.
    """

    reads = "points"
    no_compile = (
        "how many groups of pillars there are differs from sweep to sweep, and each number would "
        "be compiled anew"
    )

    def settle(self) -> None:
        """Set the memory format."""
        if self.task.hparams["channels_last"]:
            use_channels_last(self.task)

    def count(self, batch: Mapping[str, Any]) -> int:
        """Number of sweeps."""
        return len(batch["counts"])

    def check_batch(self, batch: Mapping[str, Any], stage: Stage) -> None:
        """Check the points, the cameras, and in training the objects.

        Raises:
            DataError: They are of another type, shape or range.
        """
        require_keys(batch, ["points", "counts"])
        grid = self.task.reader.grid
        limits = (*grid.low, *grid.high)
        check_sweeps(batch, numbers=self.task.reader.in_channels, point_range=limits)
        if stage == "train":
            require_keys(batch, ["points", "target"])
            check_lidar_targets(
                batch["target"], count=self.count(batch), num_classes=self.task.num_classes
            )
        else:
            require_keys(batch, ["points", "counts", "lidar_to_camera", "camera", "camera_size"])
            require_keys(batch, ["points", "path"])

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Leave out the points outside the range."""
        points, counts = self.within(batch["points"], batch["counts"])
        return {**batch, "points": points, "counts": counts}

    def within(self, points: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The points in the range of the reader, and how many of them each sweep has.

        Args:
            points: `(P, C)`.
            counts: int64 `(B,)`.
        """
        grid, places = self.task.reader.grid, points[:, :3]
        low, high = places.new_tensor(grid.low), places.new_tensor(grid.high)
        kept = ((places >= low) & (places < high)).all(dim=1)
        sweep = torch.arange(len(counts), device=points.device).repeat_interleave(counts)
        return points[kept], torch.bincount(sweep[kept], minlength=len(counts))

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The terms of the criterion."""
        outputs = self.outputs(batch["points"], batch["counts"])
        terms: dict[str, Tensor] = self.task.criterion(outputs, batch["target"])
        return terms

    def run(self, batch: Mapping[str, Any]) -> list[LidarPrediction]:
        """The objects of sweeps, in the frames of the lidar and of the cameras."""
        found = self.task.head.predict(self.outputs(batch["points"], batch["counts"]))
        return [
            view_objects(
                one["boxes3d"],
                one["labels"],
                one["scores"],
                lidar_to_camera=batch["lidar_to_camera"][i],
                camera=batch["camera"][i],
                camera_size=batch["camera_size"][i],
            )
            for i, one in enumerate(found)
        ]

    def forward(
        self,
        inputs: Tensor,
        beside: Tensor | None = None,
        sizes: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> list[LidarPrediction]:
        """Find the objects of sweeps as they are in a batch.

        Args:
            inputs: float `(P, C)` points of all sweeps, one sweep after another.
            beside: int64 `(B,)` points of each sweep; None for a single one.
            sizes: Of images, which are not read.
            original_sizes: Likewise.

        Returns:
            The objects of each sweep. What is in the frame of a camera is in that of one in the
            place of the lidar, which looks ahead and has no image.
        """
        counts = inputs.new_tensor([len(inputs)], dtype=torch.int64) if beside is None else beside
        points, kept = self.within(inputs, counts)
        number = len(counts)
        return self.run(
            {
                "points": points,
                "counts": kept,
                "lidar_to_camera": looking_ahead().to(points.device).expand(number, 4, 4),
                "camera": points.new_zeros(number, 3, 4),
                "camera_size": counts.new_zeros(number, 2),
            }
        )

    def outputs(self, points: Tensor, counts: Tensor) -> Any:
        """Outputs of the head.

        Args:
            points: `(P, C)` within the range.
            counts: int64 `(B,)`.
        """
        task = self.task
        features, coords = task.reader(points, counts)
        features = task.backbone(features, coords)
        return task.head(task.neck(task.reader.to_map(features, coords, len(counts))))
