"""Base class of all tasks: backbone, optimiser, schedule, EMA, seeds, checkpoints, logging."""

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypedDict

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.backbones.encoder import Encoder, MemoryMode
from vision.contracts.models import ModelDescription
from vision.keywords import FullSignature
from vision.optim.attached import attached_trainer
from vision.optim.averages import WeightAverage, load_for_inference, load_for_training
from vision.optim.optimizers import build_optimizer, check_precision
from vision.optim.plateau import check_validated, plateau_watch
from vision.optim.schedule import build_schedule
from vision.optim.settings import OptimSettings
from vision.optim.sharding import refuse_other_sharding, sharded_model
from vision.optim.timeline import count_steps, scale_to_trainer
from vision.optim.weight_decay import undecayed_names
from vision.options import read_options
from vision.tasks.build import InitialWeights, build_backbone, check_compile, load_source
from vision.tasks.checkpoint import (
    agree_on_kind,
    built_from,
    describe,
    describe_checkpoint,
    inherited_options,
    plain,
)
from vision.tasks.first_batch import FirstBatches, Stage
from vision.tasks.freeze import (
    FrozenStages,
    freeze_backbone,
    freeze_norms,
    rest_frozen_parts,
)
from vision.tasks.resume import (
    Plan,
    Resumed,
    check_groups,
    check_name,
    continue_schedule,
    load_place,
    make_plan,
    save_place,
)
from vision.tasks.seeding import seed_step


class Training(TypedDict, total=False):
    """Keyword arguments that every task passes on to `BaseTask`."""

    backbone_options: dict[str, Any] | None
    pretrained: bool | str
    weights: str | None
    ema_decay: float | None
    ema_warmup: bool
    frozen_stages: FrozenStages
    frozen_norms: bool
    compile: bool | Literal["blocks"]
    memory: MemoryMode


class BaseTask(LightningModule, ABC):
    """A backbone and its training; subclasses add the input, the head, the loss and the metrics.

    It knows neither images nor classes: `vision.tasks.image.ImageTask` adds what images need,
    `vision.tasks.classes.ClassTask` what classes need. A batch is a dict of tensors, such as
    `volume` `(B, C, D, H, W)` or the points of a cloud.

    A subclass calls this constructor, builds its parts (among them `head`), and ends its own
    constructor with `load_initial_weights`. It implements `training_step`, `run` and `evaluate`,
    from which validation and test are made, and may implement `prepare` and `augment`.

    Args:
        backbone: A name for `create_backbone`, or a module. Freezing, recomputing and layer-wise
            learning rates need an `Encoder`.
        optim: Options of the optimiser and its schedule, also as a mapping.
        backbone_options: Options of the backbone that replace its variant's, such as
            `drop_path_rate`.
        pretrained: True starts from the published weights of the backbone, text from a path or
            `"hf://owner/repo[/file]"`. A published classifier is loaded too if its classes fit.
            "auto" is True where the published weights are available, and otherwise False, with a
            warning.
        weights: File to load into the whole task, such as a checkpoint to fine-tune from. Detectors
            and segmentors also read files of mmdetection and mmsegmentation, and keep the classes
            of the same name.
        ema_decay: Decay of the exponential moving average of the weights, such as 0.9999; null for
            no average.
        ema_warmup: Whether the decay rises from a small value, so that early weights are soon
            forgotten. The published recipes have no such warm-up.
        frozen_stages: Frozen part of the backbone. "all" trains only what follows it
            (for a classifier, a linear probe), a number freezes the stem and as many stages, null
            trains everything.
        frozen_norms: Whether the batch norms of the backbone keep their averages, and are not
            trained.
        compile: Whether training and evaluation run the backbone through `torch.compile`. "blocks"
            compiles one block of each kind of it, which takes a part of the time.
        memory: What training keeps of the backbone for the backward pass: "fast" all that is used
            again, "lean" not what is cheap to make again, "checkpoint" only the inputs of blocks,
            which it computes twice. Gradients are the same up to rounding.

    Attributes:
        kind: Name of the task, which the datamodule's `kind` has to be; None accepts any.
        dense: Whether the backbone is built for dense prediction, which needs no classifier.
        monitor: The logged metric that chooses the best checkpoint, and `"max"` or `"min"`.
        no_compile: Why the backbone is not compiled; None if it may be.
        preprocessing: Options of the evaluation transform of the training data; None before.
        seed: Seed of the training; None before.
        loss_terms: Terms `()` of the last training loss by name; empty before.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    __signature__ = FullSignature()
    kind: ClassVar[str | None] = None
    dense: ClassVar[bool] = False
    monitor: ClassVar[tuple[str, str]]
    no_compile: str | None = None
    backbone: nn.Module
    head: nn.Module

    def __init__(
        self,
        backbone: str | nn.Module | None,
        *,
        optim: OptimSettings | Mapping[str, Any],
        backbone_options: dict[str, Any] | None = None,
        pretrained: bool | str = False,
        weights: str | None = None,
        ema_decay: float | None = None,
        ema_warmup: bool = True,
        frozen_stages: FrozenStages = None,
        frozen_norms: bool = False,
        compile: bool | Literal["blocks"] = False,
        memory: MemoryMode = "fast",
    ) -> None:
        super().__init__()
        name = backbone if isinstance(backbone, str) else None
        # With LightningCLI's class paths, loading a checkpoint would import the classes they name.
        left_out = {"backbone", "_class_path", "_instantiator", *inherited_options(type(self))}
        self.save_hyperparameters(ignore=sorted(left_out))
        given = {} if "backbone" in inherited_options(type(self)) else {"backbone": name}
        self.save_hyperparameters(plain({**self.hparams, **given}))
        self.backbone, pretrained = build_backbone(
            backbone,
            backbone_options or {},
            pretrained=pretrained,
            dense=self.dense,
            memory=memory,
        )
        self.optim = read_options(OptimSettings, optim, group="optim")
        self._frozen_stages, self._frozen_norms = frozen_stages, frozen_norms
        self._undecayed: frozenset[str] | None = None
        self.average = None if ema_decay is None else WeightAverage(ema_decay, warmup=ema_warmup)
        self.preprocessing: dict[str, Any] | None = None
        self.loss_terms: dict[str, Tensor] = {}
        self._source = InitialWeights(backbone=name, pretrained=pretrained, weights=weights)
        self._compile = check_compile(compile, self.backbone)
        self.seed: int | None = None
        self._plan: Plan | None = None
        self._resumed: Resumed | None = None
        self._first_batches = FirstBatches()

    def load_initial_weights(self) -> None:
        """Load the initial weights and freeze parts; called at the end of a constructor."""
        self._source = load_source(self, self._source, with_classifier=not self.dense)
        freeze_backbone(self.backbone, self._frozen_stages)
        if self._frozen_norms:
            freeze_norms(self.backbone)
        self._undecayed = undecayed_names(self, self.optim.no_decay)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen parts of the backbone stay in evaluation mode."""
        super().train(mode)
        if mode and (self._frozen_stages is not None or self._frozen_norms):
            rest_frozen_parts(self.backbone)
        return self

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Check the first batch of a stage; prepare each on the device, and augment it in training.

        Augmentation and the random parts of the model (dropout, drop path) use the random numbers
        of this step (see `seed_step`).
        """
        trainer = attached_trainer(self)
        if trainer is not None:
            self._first_batches.check(self, trainer, batch)
        batch = self.prepare(batch)
        if trainer is None or not trainer.training:
            return batch
        seed_step(self, self.seed or 0)
        return self.augment(batch)

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the first batch of a stage, before `prepare`; by default nothing.

        `vision.tasks.first_batch` has checks of images, labels, masks and objects.

        Args:
            batch: The batch, on the device.
            stage: Which stage it belongs to.

        Raises:
            DataError: It is not what the task expects; the message has the key and the remedy.
        """

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Change every batch on the device, such as by normalisation; by default nothing."""
        return batch

    def augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Change a training batch on the device, once prepared; by default nothing."""
        return batch

    @abstractmethod
    def run(self, batch: Any) -> Any:
        """Outputs of the head for inference, for a batch that `prepare` has returned."""

    @abstractmethod
    def evaluate(self, stage: str, outputs: Any, batch: Any) -> Sequence[Any] | None:
        """Add the outputs for a batch of the `"val"` or `"test"` set to the metrics.

        Returns:
            The prediction for each sample, as from `predict_step`, for callbacks that record, draw
            and write predictions; None if there are none.
        """

    def begin_evaluation(self) -> None:
        """Forget an earlier evaluation; by default nothing."""

    def end_evaluation(self, stage: str) -> None:
        """Compute and log the metrics of the `"val"` or `"test"` set; by default nothing."""

    def on_validation_epoch_start(self) -> None:
        """Begin an evaluation."""
        self.begin_evaluation()

    def on_test_epoch_start(self) -> None:
        """Begin an evaluation."""
        self.begin_evaluation()

    def on_validation_epoch_end(self) -> None:
        """End the evaluation of the validation set."""
        self.end_evaluation("val")

    def on_test_epoch_end(self) -> None:
        """End the evaluation of the test set."""
        self.end_evaluation("test")

    def validation_step(self, batch: Any, batch_idx: int) -> dict[str, Any] | None:
        """Evaluate a batch of the validation set; returns its `predictions`, for callbacks."""
        return self._evaluate_batch("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> dict[str, Any] | None:
        """Evaluate a batch of the test set; returns its `predictions`, for callbacks."""
        return self._evaluate_batch("test", batch)

    def _evaluate_batch(self, stage: str, batch: Any) -> dict[str, Any] | None:
        outputs = self.run(batch)
        # A process that has run out of batches repeats one that is already counted elsewhere.
        if "repeated" in batch:
            return None
        return {"predictions": self.evaluate(stage, outputs, batch)}

    def setup(self, stage: str) -> None:
        """Compare the task with the trainer and the datamodule, and compile the backbone once."""
        self._first_batches.begin()
        refuse_other_sharding(self)
        # Lightning warns that the datamodule may be meant to do this; ours never normalise.
        warnings.filterwarnings("ignore", message=".*overridden `on_after_batch_transfer`")
        data = getattr(self.trainer, "datamodule", None)
        agree_on_kind(self.kind, data)
        # Stored in files of this model, to prepare other inputs alike.
        self.preprocessing = getattr(data, "preprocessing", None) or self.preprocessing
        if self._compile:
            how, self._compile = self._compile, False
            self.compile_backbone(blocks=how == "blocks")

    def compile_backbone(self, *, blocks: bool = False, **settings: Any) -> None:
        """Compile the backbone in place, so that the keys of the state dict stay as they are.

        Args:
            blocks: Whether to compile one block of each kind, and not the whole.
            **settings: Keywords of `torch.compile` for the whole.
        """
        if blocks and isinstance(self.backbone, Encoder):
            self.backbone.compile_blocks()
        else:
            self.backbone.compile(**settings)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser and the schedule of the settings, stepped per iteration."""
        refuse_other_sharding(self)  # by now configure_model, if there is one, has spread them
        settings = scale_to_trainer(self.optim, self.trainer)
        optimizer = build_optimizer(self, settings, undecayed=self._undecayed)
        if self._resumed is not None:
            check_name(self._resumed, settings)
            if sharded_model(self) is None:
                check_groups(self._resumed, optimizer)
        check_precision(self.trainer, settings)
        check_validated(self.trainer, settings)
        timeline = count_steps(self.trainer, settings)
        schedule = build_schedule(optimizer, settings, timeline, mode=self.monitor[1])
        self._plan = make_plan(settings, timeline, optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients by the trainer's settings; by norm also if FSDP shards them."""
        # FSDP2 has no such function: its gradients know the norm of the whole by themselves.
        clip = getattr(sharded_model(self), "clip_grad_norm_", None)
        if clip is not None and gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            clip(gradient_clip_val)
        else:
            self.clip_gradients(
                optimizer,
                gradient_clip_val=gradient_clip_val,
                gradient_clip_algorithm=gradient_clip_algorithm,
            )

    def configure_callbacks(self) -> list[Callback]:
        """The weight average and the watch of a plateau, unless the trainer has them already."""
        present: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        own: list[Callback] = [] if self.average is None else [self.average]
        own += plateau_watch(self.optim, self.monitor[0], present)
        return [one for one in own if one not in present]

    def on_train_start(self) -> None:
        """Choose the seed of a new training; a resumed one has it from its checkpoint.

        Raises:
            ConfigError: The checkpoint's position in its schedule has no counterpart in this run.
        """
        if self._resumed is not None and self._plan is not None:
            continue_schedule(self.trainer, self._plan, self._resumed)
            self._resumed = None
        if self.seed is None:
            self.seed = self.trainer.strategy.broadcast(torch.initial_seed())

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the learning rate at the loggers' interval, and at the end of an epoch or training.

        A call of `log` takes about a millisecond.
        """
        trainer: Any = self.trainer
        step, every = trainer.global_step + 1, trainer.log_every_n_steps
        due = trainer.is_last_batch or step == trainer.max_steps
        if due or (every and step % every == 0):
            self.log("lr", max(group["lr"] for group in trainer.optimizers[0].param_groups))

    def log_losses(self, stage: str, terms: Mapping[str, Tensor], batch_size: int) -> Tensor:
        """Sum the weighted terms of a criterion; log the sum, and the terms if there are several.

        Args:
            stage: `"train"`, logged per iteration, or `"val"` or `"test"`, logged per epoch.
            terms: Term `()` by name.
            batch_size: Number of samples, by which the epoch's mean is weighted.

        Returns:
            The sum `()`.
        """
        loss = torch.stack(tuple(terms.values())).sum()
        if stage == "train":
            self.loss_terms = {name: term.detach() for name, term in terms.items()}
        values = {"loss": loss, **(terms if len(terms) > 1 else {})}
        self.log_dict(
            {f"{stage}/{name}": value.detach() for name, value in values.items()},
            prog_bar=True,
            on_step=stage == "train",
            on_epoch=stage != "train",
            # A float: over processes Lightning takes the mean of the sizes, in the type they have.
            batch_size=float(batch_size),  # type: ignore[arg-type]
            sync_dist=stage != "train",
        )
        return loss

    def log_evaluation(
        self, stage: str, values: Mapping[str, float | Tensor], *, shown: Container[str] = ()
    ) -> None:
        """Log what every process has computed from the results of all.

        Args:
            stage: `"val"` or `"test"`.
            values: Number by name.
            shown: Names of those that the progress bar shows too.
        """
        for name, value in values.items():
            # Lightning asks for a reduction; of equal numbers the largest is exact, and a mean not.
            self.log(
                f"{stage}/{name}",
                value,
                prog_bar=name in shown,
                sync_dist=True,
                reduce_fx="max",
            )

    @property
    def starts_from(self) -> str:
        """Where the initial weights come from, in words; empty for random ones."""
        return str(self._source)

    def describe(self) -> ModelDescription:
        """The description stored in files of this model, from which it can be rebuilt."""
        return describe(self, self._source)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the averages, the seed, the steps per epoch and a description of the task."""
        checkpoint["vision"] = self.describe()
        checkpoint["seed"] = self.seed
        if self._plan is not None:
            save_place(checkpoint, self.trainer, self._plan)
        # A rebuilt task takes its weights from the checkpoint: no other file is read.
        arguments = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {})
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = built_from(arguments)
        if self.average is not None:
            self.average.save(checkpoint, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Choose between raw and averaged weights, and take over description and seed."""
        trainer = attached_trainer(self)
        resuming = trainer is not None and trainer.state.fn == TrainerFn.FITTING
        if resuming:
            load_for_training(self.average, checkpoint)
            self._resumed = load_place(checkpoint)
        else:
            load_for_inference(self.average, checkpoint, self)
        if "vision" in checkpoint:
            self.adopt_description(describe_checkpoint(checkpoint), "the checkpoint")
        self.seed = checkpoint.get("seed")

    def adopt_description(self, description: ModelDescription, origin: str) -> None:
        """Take over from a file what this task does not know yet.

        Args:
            description: Description in the file.
            origin: Name of the file, for errors.

        Raises:
            ConfigError: The file belongs to a different model.
        """
        self.preprocessing = self.preprocessing or description["preprocessing"]

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | os.PathLike[str],
        *,
        map_location: Any = "cpu",
        strict: bool = True,
        weights_only: Literal[True] | None = None,
        **own: Any,
    ) -> Self:
        """Rebuild the task of a checkpoint, with its training settings and weights.

        Unlike `vision.load`, it takes the class from the caller, and the task can be trained on,
        except for heads of mmsegmentation, whose losses are not read from a file.

        Args:
            checkpoint_path: The file.
            map_location: As in `torch.load`.
            strict: Whether the tensors must match the task exactly.
            weights_only: Other objects than tensors and plain values are refused in any case.
            **own: Arguments of the constructor that replace the file's.

        Raises:
            CheckpointError: The file is absent, damaged or unsafe, or does not fit the class.
            WeightsError: A tensor is not dense, or holds infinite or NaN values.
        """
        # Only here: it knows the parts of all tasks.
        from vision.tasks.build_from_file import rebuild

        return rebuild(cls, Path(checkpoint_path), own, map_location=map_location, strict=strict)
