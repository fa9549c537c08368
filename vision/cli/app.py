"""LightningCLI with our defaults: run folders, checkpoints, progress, and readable errors."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from vision.callbacks.results.part_of_set import SUFFIX
from vision.callbacks.run.checkpoint_io import AtomicCheckpointIO
from vision.callbacks.run.finite import FiniteTraining
from vision.callbacks.run.progress import Progress
from vision.callbacks.run.rehearsal import Rehearsal
from vision.callbacks.run.stop_signals import StopSignals
from vision.callbacks.run.summary import RunSummary
from vision.cli.failures import explain_failures
from vision.cli.hardware import check_devices
from vision.cli.model_files import ModelFiles
from vision.cli.names import chosen_classes, import_path
from vision.cli.next_commands import next_commands
from vision.cli.other_loggers import place_logs, unplaced_logs
from vision.cli.outputs import (
    VALIDATION,
    ResultsNotice,
    keep_checkpoints,
    keep_logs,
    predictions_path,
    record_run,
    show_metrics,
    show_results,
    write_predictions,
)
from vision.cli.parser import (
    OptionsParser,
    ParserError,
    class_options,
    explain,
    try_whole_numbers_first,
)
from vision.cli.run_lock import hold_run
from vision.cli.run_names import check_run_names
from vision.cli.run_options import add_run_options
from vision.cli.runs import (
    CHECKPOINTS,
    check_checkpoint,
    check_unused,
    find_checkpoint,
    find_resumable,
    new_run_folder,
)
from vision.cli.sample_pictures import sample_pictures
from vision.cli.settings import Setting, find_configs, read_settings
from vision.cli.stops import explain_stop
from vision.cli.trainer_options import check_trainer, explain_refusals
from vision.data.base.datamodule import DataModule
from vision.errors import ConfigError, VisionError
from vision.files import relative_path
from vision.optim.fsdp2 import FSDP2, FullyShard
from vision.options import MAX_COUNT, MAX_PROCESSES, MAX_SEED, UNEXPECTED, check_number
from vision.outputs import check_output_folder, check_writable
from vision.program import command as command_line
from vision.program import command_words
from vision.quiet import without_chatter
from vision.tasks.base import BaseTask
from vision.tasks.build import AUTO
from vision.tasks.checkpoint import plain

logger = logging.getLogger(__name__)

TRAINER_DEFAULTS = {"log_every_n_steps": 10, "enable_model_summary": False}
HARDWARE = ("trainer.accelerator", "trainer.devices")
# Commands that print metrics, and how the names of these begin.
MEASURED = {"validate": "val/", "test": "test/"}
# Arguments of tasks that the data knows, where they are not given.
FROM_DATA = ("num_classes", "regions", "modalities")


class SaveConfig(SaveConfigCallback):
    """Writes the resolved config once data and model have agreed with each other.

    Takes the arguments of Lightning's `SaveConfigCallback`.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Do nothing yet: the task has not compared its classes with the data's."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `config.yaml`."""
        super().setup(trainer, pl_module, "fit")


class VisionCLI(LightningCLI):
    """One command, from its options to its end.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        args: The options after it, with all config files, from `find_configs`.
        typed: The options as they were given, for the record of the run.
        settings: The options, read by `read_settings`.
        callbacks: Callbacks beside the config's and the suite's.

    Raises:
        ConfigError: An option is unknown, misplaced or of the wrong type.
    """

    def __init__(
        self,
        command: str,
        args: Sequence[str],
        *,
        typed: Sequence[str],
        settings: Sequence[Setting],
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.more_callbacks = list(callbacks)
        self.command = command
        self.settings = settings
        self.words = [*command_words(command, trained=True), *typed]
        self.classes = chosen_classes(settings)
        self.run_folder: Path | None = None
        self._resumes = False
        self._resumed_step = 0
        self._begins_at: int | None = None
        self._output: Path | None = None
        self._given = {setting.plain_key for setting in settings}
        self._signals = StopSignals()
        usage = command_line(command, trained=True)
        with ExitStack() as self._held:  # the folder of a run, to the end of the command
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
                    "prog": command_line(),
                    command: {"usage": f"{usage} --config FILE [--key value ...]"},
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
        self._own_parser = parser
        try_whole_numbers_first(parser)
        add_run_options(parser, self.command)

    def parse_arguments(self, parser: OptionsParser, args: Any) -> None:  # type: ignore[override]
        """Parse, and explain what is refused."""
        try:
            self.config = parser.parse_args(args)
        except ParserError as error:
            message = explain(
                self._own_parser, str(error), self.settings, self.classes, self.command
            )
            raise ConfigError(message) from error
        seed = self.options.get("seed_everything")
        if seed is not None and not isinstance(seed, bool):
            check_number("--seed_everything", seed, minimum=0, maximum=MAX_SEED)

    # Lightning has no public switch for what it does here, from version 2.5 on.
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
        """Set the threads; fill in the path of the checkpoint and the number of classes."""
        options = self.options
        check_run_names(options["runs_dir"], options["name"], options["version"])
        every = options["checkpoint_every_n_steps"]
        if every is not None:
            check_number("--checkpoint_every_n_steps", every, minimum=1, maximum=MAX_COUNT)
        if options["threads"] is not None:
            check_number("--threads", options["threads"], minimum=1, maximum=MAX_PROCESSES)
            torch.set_num_threads(options["threads"])
        if options.get("ckpt_path") is not None:
            options["ckpt_path"] = str(self._find_checkpoint(options["ckpt_path"]))
        model = options["model"]["init_args"]
        if self.command != "fit" and model.get("pretrained") == AUTO:
            model["pretrained"] = False  # its weights come from the checkpoint
        trained = options.get("ckpt_path") or model.get("weights") or model.get("pretrained")
        if self.command != "fit" and not trained:
            raise ConfigError(
                f"{self.command} needs trained weights: --ckpt_path PATH, or --ckpt_path best "
                f"for the newest run in {relative_path(self.runs_of_name)}, or --model.weights "
                "FILE."
            )
        self._check_outputs()
        self._take_classes_from_data(model)
        self._place_logs()

    def _place_logs(self) -> None:
        """Let loggers of the config that name no folder write into that of the run."""
        loggers = unplaced_logs(self.options["trainer"]["logger"])
        if loggers and not self.options["trainer"]["fast_dev_run"]:
            fits = self.command == "fit"
            place_logs(loggers, self._make_run_folder() if fits else self._folder_of_checkpoint)

    def instantiate_classes(self) -> None:
        """Build everything; a folder that was made for the loggers of a failed start is removed."""
        with self._no_empty_run():
            super().instantiate_classes()

    def _check_outputs(self) -> None:
        """Check that the command can write its outputs, and that they stay in their folders."""
        run = self.run_folder or self.runs_of_name
        if self.command == "predict":
            self._output = predictions_path(
                self.classes["model"], self._folder_of_checkpoint, self.options["output"]
            )
        elif self.options["trainer"]["fast_dev_run"]:
            return
        elif self.command != "fit":
            for name in (VALIDATION, VALIDATION + SUFFIX):
                results = self._folder_of_checkpoint / name
                check_output_folder(results, option="--ckpt_path: the folder")
        elif self._resumes:
            check_output_folder(run, option="--ckpt_path last: the run")
        else:
            check_writable(run.absolute(), f"--runs_dir {self.options['runs_dir']}")

    def _take_classes_from_data(self, model: Namespace) -> None:
        """Fill in what the data knows of the task's outputs and inputs.

        The number of classes, the regions and modalities of volumes, and the names of the classes
        where a file's are to be compared.
        """
        counted = [
            name for name in FROM_DATA if name in model and f"model.{name}" not in self._given
        ]
        named = "class_names" in model and model.get("weights") and not model["class_names"]
        if not (counted or named):
            return
        data = self._build_data()
        if not hasattr(data, "num_classes"):
            return
        for name in counted:
            if (value := getattr(data, name, None)) is not None:
                model[name] = plain(value)
        if named and data.num_classes == model.get("num_classes"):
            model["class_names"] = list(data.class_names)

    def _build_data(self) -> Any:
        """Build the datamodule of the options early, to query it."""
        data = self.options["data"]
        parser = class_options("data", import_path(data["class_path"]))
        options = Namespace(data=data.get("init_args") or Namespace())
        return parser.instantiate_classes(options)["data"]

    def _find_checkpoint(self, given: str) -> Path:
        version = self.options["version"]
        if self.command != "fit":
            return find_checkpoint(given, self.runs_of_name, version)
        if given != "last":  # its fit goes on in a folder of its own
            return find_checkpoint(given, self.runs_of_name)
        path = find_resumable(self.runs_of_name, version)
        self._resumes = True
        self.run_folder = path.parent.parent.absolute()
        if _is_first_process():
            self._held.enter_context(hold_run(self.run_folder))
        self.save_config_kwargs["overwrite"] = True
        return path

    # Lightning's public hooks (before_fit, after_fit) stand beside a command, not around it.
    def _run_subcommand(self, subcommand: str) -> None:
        batch_size = self.datamodule.batch_size
        self.datamodule.whole_steps = self.options["drop_incomplete_step"]
        accumulated = self.trainer.accumulate_grad_batches
        shows = self.command in MEASURED and self.options["verbose"]
        if self.command in MEASURED:
            self.config_init[self.command]["verbose"] = False  # Lightning's table
        with (
            explain_stop(self._signals, self._last_checkpoint),
            self._no_empty_run(),
            explain_failures(
                batch_size, accumulated, unit=self.datamodule.unit, sizes=self.datamodule.sizes
            ),
            explain_refusals(batch_size, self.datamodule.sizes),
        ):
            super()._run_subcommand(subcommand)
        if shows:
            show_metrics(self.trainer, MEASURED[self.command])
        if self._begins_at == self.trainer.global_step:
            logger.warning(
                "nothing was trained: the training of the checkpoint was at its end. More "
                "--trainer.max_epochs or --trainer.max_steps continue it."
            )

    def _last_checkpoint(self) -> Path | None:
        return self.run_folder and self.run_folder / CHECKPOINTS / "last.ckpt"

    @contextmanager
    def _no_empty_run(self) -> Iterator[None]:
        """Remove the folder of a run that fails before it starts: before its config is written."""
        try:
            yield
        except Exception:
            folder = self.run_folder
            made = folder and not self._resumes and _is_first_process()
            if made and folder and not (folder / "config.yaml").exists():
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):  # not empty: other runs are there
                    folder.parent.rmdir()
                    folder.parent.parent.rmdir()
            raise

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with our loggers and callbacks beside the config's."""
        self._check_checkpoint()
        trainer: Any = self.config_init[self.command]["trainer"]
        check_trainer(trainer)
        check_devices(trainer["accelerator"], trainer["devices"])
        loggers = _as_list(trainer["logger"])
        if trainer["strategy"] == FSDP2:  # which Lightning knows by no name
            kwargs["strategy"] = FullyShard()
        callbacks = _as_list(trainer["callbacks"]) + self.more_callbacks + [self._signals]
        if trainer["enable_progress_bar"] is not False:
            callbacks.append(Progress())
        if self.command == "fit" and not trainer["fast_dev_run"]:
            folder = self._make_run_folder()
            kwargs["default_root_dir"] = folder
            callbacks += self._fit_callbacks(folder, trainer)
            kwargs["plugins"] = [
                *_as_list(trainer["plugins"]),
                AtomicCheckpointIO(written=ModelFiles(folder)),
            ]
            if trainer["logger"] is not False:
                loggers = [*keep_logs(folder, resumed_step=self._resumed_step), *loggers]
        elif self.command == "predict":
            assert self._output is not None, "it is chosen before the model is built"
            callbacks.append(write_predictions(self.model, self._output))
        elif not trainer["fast_dev_run"]:
            callbacks += show_results(self.model, self._folder_of_checkpoint, fits=False)
            if self.command == "validate":
                callbacks.append(ResultsNotice(self._folder_of_checkpoint))
        with self._no_empty_run():
            try:
                return super().instantiate_trainer(logger=loggers, callbacks=callbacks, **kwargs)
            except (*UNEXPECTED, ImportError, MisconfigurationException) as error:
                if isinstance(error, VisionError):
                    raise
                raise ConfigError(self._trainer_message(str(error))) from error

    def _check_checkpoint(self) -> None:
        """Compare the checkpoint with the model."""
        if self.options.get("ckpt_path"):
            path, fits = Path(self.options["ckpt_path"]), self.command == "fit"
            steps = check_checkpoint(path, self.model, resumes=fits)
            self._begins_at = steps if fits else None
            self._resumed_step = steps if self._resumes else 0
            self.config_init[self.command]["weights_only"] = True

    def _trainer_message(self, message: str) -> str:
        """A refusal of the trainer, with the settings that may have caused it."""
        words = message.lower().replace("`", " ")
        given = {
            s.key: f"{s.key}={s.value} ({s.source})"
            for s in self.settings
            if s.key.startswith("trainer.") and s.key.removeprefix("trainer.") in words
        }
        hardware = {
            s.key: f"{s.key}={s.value} ({s.source})" for s in self.settings if s.key in HARDWARE
        }
        if hardware and any(word in words for word in ("accelerator", "backend", "devices", "gpu")):
            message += "\n--trainer.accelerator auto takes what the machine has."
            given |= hardware
        return f"{', '.join(given.values())}: {message}" if given else message

    def _make_run_folder(self) -> Path:
        if self.run_folder is not None:
            return self.run_folder
        version, create = self.options["version"], _is_first_process()
        folder = new_run_folder(self.runs_of_name, version, create=create).absolute()
        if create:
            self._held.enter_context(hold_run(folder))
            check_unused(version, folder)  # another run may have come and gone meanwhile
        self.run_folder = folder
        return folder

    def _fit_callbacks(self, folder: Path, trainer: Any) -> list[Callback]:
        callbacks: list[Callback] = []
        if trainer["enable_checkpointing"] is not False:
            monitor, mode = self.model.monitor
            validated = trainer["limit_val_batches"] != 0
            callbacks += keep_checkpoints(
                folder,
                monitor if validated else None,
                mode,
                every_steps=self.options["checkpoint_every_n_steps"],
            )
        finite = FiniteTraining(folder, action=self.options["non_finite"])
        callbacks += [finite, Rehearsal()]
        callbacks += show_results(self.model, folder, fits=True)
        title = f"{self.options['name']}/{folder.name}"
        # The metrics of a validation are logged before it is drawn, the pictures are there before
        # they are listed.
        callbacks += record_run(folder, title=title, command=self.words)
        commands = partial(self._next_commands, folder)
        callbacks.append(RunSummary(folder, title=title, commands=commands))
        return callbacks

    @property
    def _folder_of_checkpoint(self) -> Path:
        """Folder of the checkpoint's run; the current folder if it belongs to no run."""
        checkpoint = Path(self.options.get("ckpt_path") or "")
        return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else Path()

    def _next_commands(self, folder: Path) -> list[tuple[str, str]]:
        return next_commands(
            folder,
            name=self.options["name"],
            backbone=str(self.options["model"]["init_args"].get("backbone")),
            classes=self.classes,
            pictures=sample_pictures(self.datamodule, folder),
        )


def run(command: str, args: Sequence[str], *, callbacks: Sequence[Callback] = ()) -> VisionCLI:
    """Run one command.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        args: The options after it.
        callbacks: Callbacks beside the config's and the suite's.

    Returns:
        The command that has run, with its `model`, `datamodule` and `trainer`.

    Raises:
        VisionError: The user can fix the cause.
    """
    found = find_configs(args)
    settings = read_settings(found)
    threads = torch.get_num_threads()
    try:
        with without_chatter():
            return VisionCLI(command, found, typed=args, settings=settings, callbacks=callbacks)
    except MisconfigurationException as error:
        raise ConfigError(str(error)) from error
    finally:
        torch.set_num_threads(threads)


def _is_first_process() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _as_list(value: Any) -> list[Any]:
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
