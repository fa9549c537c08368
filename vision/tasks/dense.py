"""Base class of the tasks that give each pixel values: a depth, or a normal."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vision.heads.depth.readout import Readout
from vision.losses.dense import DenseLoss
from vision.ops.blend import blend_tiles
from vision.ops.interpolation import resize_bilinear, resize_by_width
from vision.optim.settings import OptimSettings
from vision.tasks.alike import alike
from vision.tasks.dense_checks import check_maps
from vision.tasks.dense_decoders import DenseDecoder, DenseHead, build_decoder
from vision.tasks.first_batch import Stage, check_evaluated, require_keys
from vision.tasks.image import ImageTask, with_paths
from vision.tasks.parts import find_row

DEFAULTS = OptimSettings(
    lr=1e-4,
    min_lr=0.0,
    weight_decay=0.05,
    warmup_epochs=0,
    warmup_steps=1500,
    warmup_lr=1e-10,
    lr_schedule="poly",
    power=0.9,
)


class DenseTask(ImageTask):
    """A neck and a head that give each pixel values.

    A subclass calls `set_parts` in its constructor, and names its `key`.

    Attributes:
        key: Key of the values in batches, outputs and predictions.
        readout: What the outputs of the head stand for.
        flip: Whether inference takes the mean with the mirrored image.
    """

    dense = True
    key: ClassVar[str]
    head: DenseHead
    criterion: DenseLoss

    def set_parts(
        self,
        decoders: Mapping[str, DenseDecoder],
        decoder: str,
        readout: Readout,
        *,
        neck_options: Mapping[str, Any] | None,
        head_options: Mapping[str, Any] | None,
        loss_options: Mapping[str, Any] | None,
        limits: Mapping[str, float],
        flip: bool,
    ) -> None:
        """Build neck, head and criterion.

        Args:
            decoders: The decoders of the task by name.
            decoder: Name of the decoder.
            readout: What the outputs of the head stand for.
            neck_options: Options of the neck that replace the decoder's.
            head_options: The same for the head.
            loss_options: Options of the criterion.
            limits: Other options of the criterion that follow from the task's.
            flip: Whether inference takes the mean with the mirrored image.

        Raises:
            ConfigError: A value is unknown or does not fit the others.
        """
        self.readout, self.flip = readout, flip
        self.neck, self.head, self.criterion = build_decoder(
            find_row(decoders, decoder, option="decoder"),
            self.backbone,
            readout=readout,
            neck_options=neck_options or {},
            head_options=head_options or {},
            loss_options=loss_options or {},
            limits=limits,
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Values for images as they are in a batch.

        Args:
            images: `(B, C, H, W)`, uint8 or float in 0..255, each valid to its borders.

        Returns:
            The values of each pixel, under the task's key.
        """
        return {self.key: self.unpack(self.values(self.normalize(images)))}

    def values(self, images: Tensor) -> Tensor:
        """Values `(B, C', H, W)` of each pixel of normalised images `(B, C, H, W)`, in float32."""
        values = self.head(self.neck(self.backbone(images)))["values"]
        size = (images.shape[2], images.shape[3])
        return self.readout.finish(resize_by_width(values, size))

    @abstractmethod
    def unpack(self, values: Tensor) -> Tensor:
        """Values `(B, C', H, W)` in the form of the task's key."""

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images and targets of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        images = batch["image"]
        if stage != "train":
            check_evaluated(batch, images)
        if stage != "predict":
            require_keys(batch, ["image", self.key])
            size = (images.shape[2], images.shape[3]) if stage == "train" else None
            check_maps(
                batch[self.key],
                key=self.key,
                count=len(images),
                channels=self.readout.channels,
                size=size,
            )

    def run(self, batch: Any) -> list[Any]:
        """The values of the original pixels of a batch whose images are normalised.

        Images of different sizes are run separately, without their padding: the result does not
        depend on the rest of the batch.
        """
        found: dict[int, Tensor] = {}
        for places, size, original in alike(batch):
            images = batch["image"][places, :, : size[0], : size[1]]
            values = self.unpack(self._resized(self._seen(images), original))
            found |= dict(zip(places, values, strict=True))
        return [{self.key: found[i]} for i in range(len(found))]

    def run_tiled(
        self, images: Tensor, original: tuple[int, int], *, tile: tuple[int, int], overlap: float
    ) -> Tensor:
        """The values of the original pixels of images that are larger than the model can take.

        Tiles are run by themselves, and averaged with weights that fall linearly across what
        overlaps. No tile sees the whole scene: their scales may drift apart, so that a depth from
        tiles is less certain than one of the whole image.

        Args:
            images: `(B, C, h, w)`, normalised, without padding.
            original: Height H and width W of the originals in pixels.
            tile: Height and width of a tile in pixels of `images`.
            overlap: Share of a tile that the next one covers too, from 0 up to but not 1.

        Returns:
            As the values of `run`, of all images.

        Raises:
            ConfigError: A side of the tile or the overlap is out of its range.
        """
        values = self.readout.finish(blend_tiles(self._seen, images, tile=tile, overlap=overlap))
        return self.unpack(self._resized(values, original))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        outputs = self.head(self.neck(self.backbone(batch["image"])))
        return self.log_losses("train", self.criterion(outputs, batch), len(batch["image"]))

    def predict_step(self, batch: Any, batch_idx: int) -> list[Any]:
        """The values of the pixels of each image of a batch, in the size of its file."""
        return with_paths(self.run(batch), batch)

    def _seen(self, images: Tensor) -> Tensor:
        """Values of each pixel of normalised images, and of mirrored ones with `flip`."""
        values = self.values(images)
        if not self.flip:
            return values
        mirrored = self.readout.mirror(self.values(images.flip(-1)))
        return self.readout.finish(torch.lerp(values, mirrored, 0.5))

    def _resized(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        return self.readout.finish(resize_bilinear(values, size))
