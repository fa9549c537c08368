"""Segmentation of volumes.

head         vision/heads/volumes/, by the rows of vision/tasks/volume_decoders.py
losses       vision/losses/volumes.py
metrics      vision/metrics/volumes/, Dice and distances between surfaces
inference    vision/ops/volume_inference.py, windows that slide over a volume
datamodules  vision.data.BraTS, MedicalDecathlon, VolumeFolder
configs      configs/volumes/
"""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from vision.backbones.encoder import Encoder
from vision.backbones.registry import check_input
from vision.backbones.swin_volume import SwinVolume
from vision.contracts.models import ModelDescription
from vision.contracts.volumes import (
    IGNORED,
    Regions,
    VolumeBatch,
    VolumeOutputs,
    VolumePrediction,
)
from vision.heads.volumes.padding import padded_outputs, padded_size
from vision.keywords import Unpack
from vision.metrics.volumes.dice import Empty
from vision.metrics.volumes.evaluator import VolumeEvaluator
from vision.metrics.volumes.table import VolumeScores
from vision.ops.padding import pad_end
from vision.ops.sliding_windows import VolumeInference
from vision.ops.volume_axes import spacing_of
from vision.ops.volume_inference import Grids, predict_volume
from vision.ops.volume_regions import check_regions, region_masks
from vision.optim.settings import OptimSettings
from vision.options import check_number, read_options
from vision.tasks.base import Training
from vision.tasks.classes import ClassTask
from vision.tasks.first_batch import Stage, require_keys
from vision.tasks.parts import find_row
from vision.tasks.volume_decoders import VOLUME_DECODERS, build_volume_parts
from vision.tasks.volumes_checks import (
    agree_on_list,
    agree_on_regions,
    check_encoder,
    check_evaluated_volumes,
    check_volume_masks,
    check_volumes,
)

SHOWN = ("Dice", "HD95")
# As published for BraTS 2021, of 300 epochs.
DEFAULTS = OptimSettings(
    lr=1e-4,
    min_lr=0.0,
    weight_decay=1e-5,
    warmup_epochs=50,
    warmup_lr=0.0,
    lr_interval="epoch",
    no_decay="nothing",
)
INFERENCE = VolumeInference()


class VolumeSegmentation(ClassTask):
    """Segmentation of volumes: the class of each cell of a 3-D image, or the regions it is in.

    Logs `train/loss`, `lr`, and per evaluation, over the cells of the original volumes, `val/Dice`,
    the mean over regions or classes of the mean over subjects, in [0, 1]; with `distances` also
    `val/HD95` and `val/ASD` in mm; `val/VolumeError` in ml; and each of a region or class by its
    name, such as `val/Dice_TC` (or `test/`). The background is left out.

    Args:
        backbone: A name for `create_backbone`, such as "swin_volume_24", or an `Encoder` of
            volumes.
        num_classes: Number of classes, of which index 0 is the background; 2 to 255.
        regions: Regions that overlap, each by its name, as lists of class indices: the network then
            has a sigmoid for each region, and a prediction is painted from them. Null for a softmax
            over the classes.
        modalities: Name of each channel of a volume; null uses them from the datamodule. Without
            `backbone_options.in_channels` the backbone gets as many channels.
        label_values: Value in label files of each class; null uses them from the datamodule.
        decoder: Name of what turns the maps of the backbone into logits: "swin_unetr".
        head_options: Options of the head that replace the decoder's.
        loss_options: Options of `vision.losses.volumes.VolumeLossOptions`, such as
            `{terms: {dice: 1, cross_entropy: 1}}`.
        inference: Options of the windows that slide over a volume.
        empty: How a region that is empty in the truth counts: "skip" leaves the subject out of the
            region's mean, "brats" scores it as the BraTS challenge does.
        distances: Whether evaluation measures the distances between surfaces too.
        class_names: Name of each class; null uses them from the datamodule.
        optim: Options of the optimiser and its schedule.
        **training: Other arguments of `BaseTask`.

    Attributes:
        evaluator: Numbers of the subjects of the validation or test set.
        volume_result: Result of the last evaluation; None before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    kind = "volumes"
    monitor = ("val/Dice", "max")
    backbone: SwinVolume  # or another encoder with its attributes

    def __init__(
        self,
        backbone: str | Encoder | None = "swin_volume_48",
        num_classes: int = 4,
        *,
        regions: dict[str, list[int]] | None = None,
        modalities: list[str] | None = None,
        label_values: list[int] | None = None,
        decoder: str = "swin_unetr",
        head_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        inference: VolumeInference = INFERENCE,
        empty: Empty = "skip",
        distances: bool = False,
        class_names: list[str] | None = None,
        optim: OptimSettings = DEFAULTS,
        **training: Unpack[Training],
    ) -> None:
        if isinstance(backbone, str) and modalities is not None:
            # A channel per modality; a file of the model has the number too.
            own = training.get("backbone_options") or {}
            training["backbone_options"] = {"in_channels": len(modalities), **own}
        if isinstance(backbone, str):
            check_input(backbone, "volume", owner=type(self).__name__)
        super().__init__(backbone, optim=optim, **training)
        check_encoder(self.backbone)
        check_number("num_classes", num_classes, minimum=2, maximum=IGNORED)
        self.set_classes(num_classes, class_names)
        self.regions = None if regions is None else check_regions(regions, num_classes)
        self.in_channels = self.backbone.in_channels
        self.modalities: list[str] | None = None
        self.label_values: list[int] | None = None
        self._adopt(modalities, label_values, "the arguments")
        self.inference = read_options(VolumeInference, inference, group="inference")
        self.head, self.criterion = build_volume_parts(
            find_row(VOLUME_DECODERS, decoder, option="decoder"),
            self.backbone,
            in_channels=self.in_channels,
            num_outputs=num_classes if self.regions is None else len(self.regions),
            regions=self.regions,
            head_options=head_options or {},
            loss_options=loss_options or {},
        )
        self.empty, self.distances = empty, distances
        self.evaluator = self.make_evaluator()
        self.volume_result: VolumeScores | None = None
        self.load_initial_weights()

    def setup(self, stage: str) -> None:
        """Set up as every task, and compare regions, modalities and values with the datamodule."""
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        values = None
        if stage != TrainerFn.PREDICTING:
            agree_on_regions(self.regions, getattr(data, "regions", None), "the data")
            # Other data may have other values for the same classes, and reads them by itself.
            values = self.label_values or getattr(data, "label_values", None)
        self._adopt(getattr(data, "modalities", None), values, "the data")

    def adopt_description(self, description: ModelDescription, origin: str) -> None:
        """Take over from a file too the modalities and the values in label files.

        Args:
            description: Description in the file.
            origin: Name of the file, for errors.

        Raises:
            ConfigError: The classes, modalities or values of the file are others.
        """
        super().adopt_description(description, origin)
        given = description["hyper_parameters"]
        self._adopt(given.get("modalities"), given.get("label_values"), origin)

    def _adopt(
        self, modalities: Sequence[str] | None, values: Sequence[int] | None, origin: str
    ) -> None:
        if modalities is not None:
            self.modalities = agree_on_list(
                "modalities", self.modalities, modalities, self.in_channels, origin
            )
        if values is not None:
            self.label_values = agree_on_list(
                "label_values", self.label_values, values, self.num_classes, origin
            )
        # A file of the model has them, whether the data or a person gave them.
        self.hparams.update(modalities=self.modalities, label_values=self.label_values)

    def forward(self, volumes: Tensor) -> Tensor:
        """Logits of each cell, without sliding windows.

        Args:
            volumes: float `(B, C, D, H, W)`, normalised, of any size.

        Returns:
            float32 `(B, K, D, H, W)`, before the sigmoid of each region, or the softmax over
            classes.
        """
        return self._outputs(volumes)["logits"].float()

    def _outputs(self, volumes: Tensor) -> VolumeOutputs:
        return padded_outputs(self.backbone, self.head, volumes)

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the volumes and masks of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        check_volumes(batch, channels=self.in_channels)
        if stage != "train":
            check_evaluated_volumes(batch)
        if stage != "predict":
            require_keys(batch, ["volume", "mask"])
            check_volume_masks(
                batch["mask"],
                num_classes=self.num_classes,
                sizes=batch["size" if stage == "train" else "original_size"],
                exact=batch["volume"].shape[2:] if stage == "train" else None,
            )

    def run(self, batch: VolumeBatch, *, probabilities: bool = False) -> list[VolumePrediction]:
        """The class of each cell of the original volumes of a batch.

        Each volume is run by itself, by windows, and without its padding.

        Args:
            batch: The batch.
            probabilities: Whether predictions have them too.
        """
        found = []
        for i, size in enumerate(batch["size"].tolist()):
            found.append(
                predict_volume(
                    self.forward,
                    batch["volume"][i, :, : size[0], : size[1], : size[2]],
                    Grids(
                        batch["affine"][i],
                        batch["original_affine"][i],
                        batch["original_size"][i].tolist(),
                    ),
                    self.inference,
                    regions=self.regions,
                    probabilities=probabilities,
                )
            )
        return found

    def training_step(self, batch: VolumeBatch, batch_idx: int) -> Tensor:
        """Loss `()` of a batch."""
        volumes, mask = batch["volume"], batch["mask"]
        # Labels are padded too, since coarser maps cover the padded volumes.
        size = padded_size(mask.shape[1:], self.backbone.feature_specs[-1].stride)
        missing = [whole - side for whole, side in zip(size, mask.shape[1:], strict=True)]
        outputs = self._outputs(pad_end(volumes, missing))
        terms = self.criterion(outputs, pad_end(mask, missing, IGNORED))
        return self.log_losses("train", terms, len(volumes))

    def evaluate(
        self, stage: str, outputs: Sequence[VolumePrediction], batch: VolumeBatch
    ) -> Sequence[VolumePrediction]:
        """Add the predictions for a batch of the `"val"` or `"test"` set; returns them."""
        self.measure(self.evaluator, outputs, batch)
        return outputs

    def measure(
        self, evaluator: VolumeEvaluator, outputs: Sequence[VolumePrediction], batch: VolumeBatch
    ) -> None:
        """Add the predictions for a batch to an evaluator of `make_evaluator`."""
        measured = self._measured()
        for i, one in enumerate(outputs):
            d, h, w = one["mask"].shape
            truth = batch["mask"][i, :d, :h, :w]
            evaluator.update(
                batch["subject"][i],
                one["regions"] if "regions" in one else region_masks(one["mask"], measured),
                region_masks(truth, measured),
                truth != IGNORED,
                spacing_of(batch["original_affine"][i].cpu().numpy()),
            )

    def _measured(self) -> Regions:
        """What is measured: the regions, or each class but the background."""
        if self.regions is not None:
            return self.regions
        names = self.class_names or [str(k) for k in range(self.num_classes)]
        return {name: (k,) for k, name in enumerate(names) if k > 0}

    def make_evaluator(self) -> VolumeEvaluator:
        """An evaluator without subjects, by the names that the classes have by now."""
        return VolumeEvaluator([*self._measured()], empty=self.empty, distances=self.distances)

    def begin_evaluation(self) -> None:
        """Begin with no subjects, by the names that the classes have by now."""
        self.evaluator = self.make_evaluator()

    def end_evaluation(self, stage: str) -> None:
        """Gather the numbers of all processes, and log their means."""
        self.volume_result = self.evaluator.compute()
        self.log_evaluation(stage, self.volume_result.scalars(), shown=SHOWN)

    def predict_step(self, batch: VolumeBatch, batch_idx: int) -> list[VolumePrediction]:
        """The class of each cell of each original volume of a batch."""
        named = zip(self.run(batch), batch["subject"], batch["path"], strict=True)
        return [{**one, "subject": subject, "path": path} for one, subject, path in named]
