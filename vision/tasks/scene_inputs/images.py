"""Images of known cameras as the input of a detector of boxes in space."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vision.contracts.detection3d import Boxes3DPrediction
from vision.ops.grouping import places_by
from vision.ops.monocular_predictions import MonocularOutputs
from vision.tasks.detection3d_checks import check_cameras, check_targets3d
from vision.tasks.first_batch import (
    Stage,
    check_evaluated,
    check_images,
    check_sizes,
    require_keys,
)
from vision.tasks.image import describe_input, normalize_batch, use_channels_last
from vision.tasks.scene_inputs.base import SceneInput


class ImageScenes(SceneInput):
    """Single images, each with the projection of its camera: batches as `Boxes3DBatch`.

    The task has `normalize`, `backbone`, `neck`, a head like `MonoDETRHead` and its `criterion`.
    """

    reads = "image"

    def settle(self) -> None:
        """Set the memory format."""
        if self.task.hparams["channels_last"]:
            use_channels_last(self.task)

    def describe(self) -> dict[str, Any]:
        """Size, mean, std, crop and interpolation that the backbone expects."""
        return describe_input(self.task.backbone, self.task.normalize)

    def count(self, batch: Mapping[str, Any]) -> int:
        """Number of images."""
        return len(batch["image"])

    def check_batch(self, batch: Mapping[str, Any], stage: Stage) -> None:
        """Check the images, their cameras, and in training their objects.

        Raises:
            DataError: They are of another type, shape or range.
        """
        require_keys(batch, ["image"])
        images = batch["image"]
        check_images(images, channels=self.task.backbone.in_channels)
        require_keys(batch, ["image", "size", "camera", "camera_size"])
        check_sizes(batch["size"], images)
        check_cameras(batch, images)
        if stage == "train":
            require_keys(batch, ["image", "target"])
            check_targets3d(batch["target"], batch, num_classes=self.task.num_classes)
        else:
            check_evaluated(batch, images)

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Normalise the images, with zeros in their padding."""
        return normalize_batch(batch, self.task.normalize, blank=True)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """The terms of the criterion."""
        outputs = self._head(batch["image"], batch["camera"], batch["size"], batch["camera_size"])
        terms: dict[str, Tensor] = self.task.criterion(outputs, batch["target"])
        return terms

    def run(self, batch: Mapping[str, Any]) -> list[Boxes3DPrediction]:
        """The objects of images, in the frames of their cameras.

        Images are run together with those of the same size, without padding.
        """
        found: dict[int, Boxes3DPrediction] = {}
        sizes = ((height, width) for height, width in batch["size"].tolist())
        for (height, width), places in places_by(sizes).items():
            images = batch["image"][places, :, :height, :width]
            cameras, size, original = (
                batch[key][places] for key in ("camera", "size", "camera_size")
            )
            found |= dict(zip(places, self._found(images, cameras, size, original), strict=True))
        return [found[i] for i in range(len(found))]

    def forward(
        self,
        inputs: Tensor,
        beside: Tensor | None = None,
        sizes: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> list[Boxes3DPrediction]:
        """Find the objects of images as they are in a batch.

        Args:
            inputs: `(B, C, H, W)` images, uint8 or float in 0..255, each valid to its borders.
            beside: float `(B, 3, 4)` projection to pixels of each original image: `camera`.
            sizes: int64 `(B, 2)` height and width of each image: `size`; None for those of
                `inputs`.
            original_sizes: int64 `(B, 2)` height and width of each original image: `camera_size`.
                None if the cameras project to pixels of `inputs`.

        Returns:
            The objects of each image in the frame of its camera.
        """
        assert beside is not None, "no image without its camera"
        whole = torch.tensor([inputs.shape[2:]] * len(inputs), device=inputs.device)
        sizes = whole if sizes is None else sizes
        original = whole if original_sizes is None else original_sizes
        return self._found(self.task.normalize(inputs), beside, sizes, original)

    def _found(
        self, images: Tensor, cameras: Tensor, sizes: Tensor, original_sizes: Tensor
    ) -> list[Boxes3DPrediction]:
        head = self.task.head
        outputs = self._head(images, cameras, sizes, original_sizes)
        views = head.views(cameras, sizes, original_sizes)
        found: list[Boxes3DPrediction] = head.predict(head.decode(outputs, views), original_sizes)
        return found

    def _head(
        self, images: Tensor, cameras: Tensor, sizes: Tensor, original_sizes: Tensor
    ) -> MonocularOutputs:
        """Outputs of the head for normalised images `(B, C, H, W)`."""
        task = self.task
        outputs: MonocularOutputs = task.head(
            task.neck(task.backbone(images)), cameras, sizes, original_sizes
        )
        return outputs
