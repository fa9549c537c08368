"""LightningCLI with our defaults: run folders, checkpoints, progress, and errors for people."""

import logging
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from vision.callbacks.pictures import ClassificationPictures
from vision.callbacks.predictions import PredictionTable
from vision.callbacks.progress import Progress
from vision.callbacks.summary import RunSummary, shown
from vision.cli.names import chosen_classes, import_path
from vision.cli.parser import OptionsParser, ParserError, explain
from vision.cli.runs import CHECKPOINTS, check_checkpoint, find_checkpoint, new_run_folder
from vision.cli.settings import Setting, find_configs, read_settings
from vision.data.base import DataModule
from vision.errors import ConfigError, VisionError
from vision.tasks.base import BaseTask

TRAINER_DEFAULTS = {"log_every_n_steps": 10, "enable_model_summary": False}
TEMPLATE = "configs/classification/image_folder/swin_linear.yaml"
# Other backbones to try, with their options: small images want a small one.
SMALL_BACKBONES = {
    "swin": "'{dim: 48, depths: [2, 2], num_heads: [3, 6], window_size: 4}'",
    "convnext": "'{dims: [32, 64, 128, 256], depths: [1, 1, 2, 1], layer_scale: 1.0}'",
}
BACKBONES = {"convnext_tiny": "null", "swin_tiny": "null"}
# What Lightning says that a user of the suite can do nothing about or is told by our own lines.
CHATTER = (
    "Seed set to",
    "GPU available",
    "TPU available",
    "💡 Tip",
    "`Trainer.fit` stopped",
    "Restoring states from",
    "Restored all states",
    "Loaded model weights",
    "Loading `train_dataloader` to estimate",
)
NEEDLESS_WARNINGS = (
    r".*does not have many workers",
    r"The number of training batches .* is smaller than the logging interval",
    r"Experiment logs directory .* exists and is not empty",
    r"Checkpoint directory .* exists and is not empty",
    r"The `srun` command is available",
    r"Be aware that when using `ckpt_path`",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


class SaveConfig(SaveConfigCallback):
    """Writes the resolved config once data and model have agreed with each other.

    The arguments are those of Lightning's `SaveConfigCallback`.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Wait: the task has yet to compare its classes with those of the data."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `config.yaml`."""
        super().setup(trainer, pl_module, "fit")


class VisionCLI(LightningCLI):
    """One command, from its options to its end.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        args: The options after it.
        settings: The same, read by `read_settings`.
        root: Folder of `train.py`, for the commands that the summary shows.

    Raises:
        ConfigError: An option is unknown, misplaced or of the wrong type.
    """

    def __init__(
        self, command: str, args: Sequence[str], *, settings: Sequence[Setting], root: Path
    ) -> None:
        self.command = command
        self.settings = settings
        self.root = root
        self.classes = chosen_classes(settings)
        self.run_folder: Path | None = None
        super().__init__(
            BaseTask,
            LightningDataModule if "data" not in self.classes else DataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=SaveConfig if command == "fit" else None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_class=OptionsParser,
            parser_kwargs={
                "prog": "train.py",
                command: {"usage": f"train.py {command} --config FILE [--key value ...]"},
            },
            auto_configure_optimizers=False,
            # Otherwise checkpoints hold an import path that is run on loading.
            load_from_checkpoint_support=False,
            args=[command, *args],
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The command that was asked for: the parsers of the others need not be built."""
        return {self.command: LightningCLI.subcommands()[self.command]}

    def add_arguments_to_parser(self, parser: OptionsParser) -> None:  # type: ignore[override]
        """Add the options of the suite."""
        parser.add_argument("--name", type=str, default="run", help="Name of the runs' folder.")
        parser.add_argument(
            "--runs_dir", type=str, default="runs", help="Folder that holds all runs."
        )
        if self.command == "fit":
            parser.add_argument(
                "--version",
                type=str | None,
                default=None,
                help="Name of the run's own folder; by default the next free version_N.",
            )
        if self.command == "predict":
            parser.add_argument(
                "--output",
                type=str | None,
                default=None,
                help="CSV file to write; by default predictions.csv beside the checkpoint's run.",
            )

    def parse_arguments(self, parser: OptionsParser, args: Any) -> None:  # type: ignore[override]
        """Parse, and explain what is refused."""
        try:
            self.config = parser.parse_args(args)
        except ParserError as error:
            own: Any = self._subcommand_parsers[self.command]
            message = explain(own, str(error), self.settings, self.classes, self.command)
            raise ConfigError(message) from error

    def _parse_ckpt_path(self) -> None:
        """Leave the model to the config; `check_checkpoint` compares the two."""

    @property
    def options(self) -> Any:
        """The parsed options of the command."""
        return self.config[self.command]

    @property
    def runs_of_name(self) -> Path:
        """Folder of all runs of this name."""
        return Path(self.options["runs_dir"]) / self.options["name"]

    def before_instantiate_classes(self) -> None:
        """Fill in the number of classes and the checkpoint."""
        options = self.options
        if options.get("ckpt_path"):
            path = find_checkpoint(options["ckpt_path"], self.runs_of_name)
            options["ckpt_path"] = str(path)
        model = options["model"]["init_args"]
        if self.command != "fit" and not options.get("ckpt_path"):
            if not (model.get("weights") or model.get("pretrained")):
                raise ConfigError(
                    f"{self.command} needs trained weights: --ckpt_path PATH, or --ckpt_path best "
                    f"for the newest run in {shown(self.runs_of_name)}, or --model.weights FILE."
                )
        given = {setting.plain_key for setting in self.settings}
        if "num_classes" in model and "model.num_classes" not in given:
            data = options["data"]
            init_args = data.get("init_args") or {}
            model["num_classes"] = import_path(data["class_path"])(**dict(init_args)).num_classes

    def instantiate_classes(self) -> None:
        """Build data, task and trainer; an error of a constructor is shown as it is."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            # jsonargparse wraps what a constructor raises.
            if error.__cause__ is None or isinstance(error, VisionError):
                raise
            raise error.__cause__ from None

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        except VisionError:
            # Refused before anything was written: leave no empty folder behind.
            if self.run_folder and self.run_folder.is_dir() and not any(self.run_folder.iterdir()):
                self.run_folder.rmdir()
            raise

    def after_instantiate_classes(self) -> None:
        """Compare the checkpoint with the model."""
        if self.options.get("ckpt_path"):
            check_checkpoint(Path(self.options["ckpt_path"]), self.model)
            self.config_init[self.command]["weights_only"] = True

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with our loggers and callbacks beside those of the config."""
        trainer: Any = self._get(self.config_init, "trainer")
        loggers = _as_list(trainer["logger"])
        callbacks = _as_list(trainer["callbacks"])
        if trainer["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.command == "fit" and not trainer["fast_dev_run"]:
            folder = self._make_run_folder()
            kwargs["default_root_dir"] = folder
            callbacks += self._fit_callbacks(folder, trainer)
            if trainer["logger"] is not False:
                place: dict[str, Any] = {
                    "save_dir": folder.parent.parent,
                    "name": folder.parent.name,
                    "version": folder.name,
                }
                ours = [TensorBoardLogger(**place, default_hp_metric=False), CSVLogger(**place)]
                loggers = [*ours, *loggers]
        elif self.command == "predict":
            callbacks.append(PredictionTable(self._predictions_path()))
        return super().instantiate_trainer(logger=loggers, callbacks=callbacks, **kwargs)

    def _make_run_folder(self) -> Path:
        create = rank_zero_only.rank == 0
        self.run_folder = new_run_folder(
            self.runs_of_name, self.options["version"], create=create
        ).absolute()
        return self.run_folder

    def _fit_callbacks(self, folder: Path, trainer: Any) -> list[Callback]:
        callbacks: list[Callback] = []
        if trainer["enable_checkpointing"] is not False:
            monitor, mode = type(self.model).monitor
            validated = trainer["limit_val_batches"] != 0
            callbacks += keep_checkpoints(folder, monitor if validated else None, mode)
        if self.classes["model"] is import_path("vision.tasks.Classification"):
            callbacks.append(ClassificationPictures(folder))
        title = f"{self.options['name']}/{folder.name}"
        callbacks.append(RunSummary(folder, title=title, commands=self._next_commands(folder)))
        return callbacks

    def _predictions_path(self) -> Path:
        if self.options["output"]:
            return Path(self.options["output"])
        checkpoint = Path(self.options.get("ckpt_path") or "")
        in_run = checkpoint.parent.name == CHECKPOINTS
        return (checkpoint.parent.parent if in_run else Path()) / "predictions.csv"

    def _another_backbone(self) -> tuple[str, str]:
        """Name and options of a backbone of another family than this run's."""
        small = self.classes["data"] is import_path("vision.data.Digits")
        family = str(self.options["model"]["init_args"].get("backbone")).partition("_")[0]
        choices = SMALL_BACKBONES if small else BACKBONES
        return next(item for item in choices.items() if item[0].partition("_")[0] != family)

    def _next_commands(self, folder: Path) -> list[tuple[str, str]]:
        start = f"{_python()} {shlex.quote(shown(self.root / 'train.py'))}"
        config = shlex.quote(shown(folder / "config.yaml"))
        best = shlex.quote(shown(folder / CHECKPOINTS / "best.ckpt"))
        template = shlex.quote(shown(self.root / TEMPLATE))
        other, options = self._another_backbone()
        return [
            (
                "measure the best checkpoint again",
                f"{start} validate --config {config} --ckpt_path {best}",
            ),
            (
                "the same data with another backbone",
                f"{start} fit --config {config} --name {self.options['name']}_{other} "
                f"--model.backbone {other} --model.backbone_options {options}",
            ),
            (
                "your own images: a folder with one folder per class",
                f"{start} fit --config {template} --data.root FOLDER",
            ),
        ]


def keep_checkpoints(folder: Path, monitor: str | None, mode: str) -> list[Callback]:
    """Callbacks that keep `best.ckpt` and `last.ckpt` in the folder `checkpoints` of a run.

    Args:
        folder: Folder of the run.
        monitor: The logged metric that chooses the best; None takes the newest.
        mode: `"max"` or `"min"`.
    """
    # One callback for each: save_last of Lightning writes only when the best improves.
    best = {"filename": "best", "monitor": monitor, "mode": mode}
    last = {"filename": "last", "monitor": None, "save_on_train_epoch_end": True}
    return [
        ModelCheckpoint(dirpath=folder / CHECKPOINTS, enable_version_counter=False, **options)  # type: ignore[arg-type]
        for options in (best, last)
    ]


def run(command: str, args: Sequence[str], *, root: Path) -> None:
    """Run one command.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        args: The options after it.
        root: Folder of `train.py` and of `configs`.

    Raises:
        VisionError: The user can mend it.
    """
    args = find_configs(args, root)
    settings = read_settings(args)
    try:
        with _without_chatter():
            VisionCLI(command, args, settings=settings, root=root)
    except MisconfigurationException as error:
        raise ConfigError(_misconfiguration(str(error), settings)) from error
    except torch.OutOfMemoryError as error:
        raise VisionError(
            "the GPU's memory is full. Any of these needs less: half the --data.batch_size with "
            "twice the --trainer.accumulate_grad_batches, --trainer.precision bf16-mixed, "
            "--model.grad_checkpointing true."
        ) from error


def _python() -> str:
    """The interpreter as a person would type it."""
    if shutil.which("python") == sys.executable:
        return "python"
    return shlex.quote(shown(sys.executable))


def _misconfiguration(message: str, settings: Sequence[Setting]) -> str:
    keys = ("trainer.accelerator", "trainer.devices")
    given = {s.key: f"{s.key}={s.value} ({s.source})" for s in settings if s.key in keys}
    if not given or not any(word in message for word in ("accelerator", "backend", "devices")):
        return message
    chosen = ", ".join(given.values())
    return f"{chosen}: {message}\n--trainer.accelerator auto takes what the machine has."


def _as_list(value: Any) -> list[Any]:
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class _ChatterFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(CHATTER)


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Drop the lines of Lightning named in this file, and nothing else."""
    handlers = [h for name in ("lightning.pytorch", "lightning.fabric", "lightning") for h in logging.getLogger(name).handlers]
    own = _ChatterFilter()
    with warnings.catch_warnings():
        for message in NEEDLESS_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for handler in handlers:
            handler.addFilter(own)
        try:
            yield
        finally:
            for handler in handlers:
                handler.removeFilter(own)
