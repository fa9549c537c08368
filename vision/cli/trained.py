"""A trained model on disk, and the options of `vision validate` that build it with its data."""

import inspect
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from torch import Tensor

from vision.cli.app import run
from vision.contracts.models import ModelDescription
from vision.data.base.datamodule import DataModule
from vision.documents.yaml_text import read_yaml
from vision.errors import CheckpointError, ConfigError
from vision.predict.load import MODEL_FILES
from vision.tasks.base import BaseTask
from vision.tasks.build_from_file import checked_arguments
from vision.tasks.checkpoint import describe_checkpoint
from vision.tasks.registry import find_task
from vision.weights.checkpoint_file import read_checkpoint
from vision.weights.model_file import read_model

CONFIG = "config.yaml"
KNOWN_CODE = ("vision.", "lightning.pytorch.")


class Trained(NamedTuple):
    """A trained model: its file, and the folder of its run if it has one."""

    file: Path
    run: Path | None


def locate(given: str) -> Trained:
    """Find the file of a model and its run.

    Args:
        given: A checkpoint, a `.safetensors` that the suite wrote, or a folder that holds one.

    Raises:
        ConfigError: There is none.
    """
    path = Path(given.removeprefix("hf://"))
    if path.is_dir():
        file = next((path / name for name in MODEL_FILES if (path / name).is_file()), None)
        if file is None:
            raise ConfigError(
                f"'{given}' holds no model: expected one of {', '.join(MODEL_FILES)}."
            )
    elif path.is_file():
        file = path
    else:
        raise ConfigError(
            f"there is no '{given}' to evaluate; it was looked for at {path.resolve()}. Give a"
            " checkpoint, the folder of a run, or a .safetensors file."
        )
    return Trained(file, find_run(file))


def find_run(file: Path) -> Path | None:
    """Folder of the run that a file of a model belongs to; None for a file without one.

    Its config lies beside the file, or one folder further up.
    """
    folders = [*file.resolve().parents][:2]  # a link may lie anywhere
    return next((folder for folder in folders if (folder / CONFIG).is_file()), None)


@contextmanager
def arguments_for(
    trained: Trained, configs: Sequence[str], task: type[BaseTask] | None = None
) -> Iterator[list[str]]:
    """Arguments of `vision validate`: the configs, and the weights.

    A file that holds the description of its model needs configs only of its data.

    Raises:
        ConfigError: No config says what the data are.
    """
    if not configs and trained.run is not None:
        require_known_classes(trained.run / CONFIG)
        configs = [str(trained.run / CONFIG)]
    if not configs:
        raise ConfigError(
            f"'{trained.file}' belongs to no run whose {CONFIG} names the data: give --config FILE"
            " with the data."
        )
    given = [part for config in configs for part in ("--config", config)]
    if trained.file.suffix != ".safetensors":
        yield [*given, "--ckpt_path", str(trained.file)]
        return
    state, described = read_model(trained.file)
    with tempfile.TemporaryDirectory() as folder:
        if described is not None:
            file = Path(folder) / "model.yaml"
            file.write_text(yaml.safe_dump({"model": model_options(described, state, task)}))
            given = ["--config", str(file), *given]
        yield [*given, "--model.weights", str(trained.file)]


def require_known_classes(config: Path) -> None:
    """Refuse a config that nobody gave, where it names code of others: naming a class imports it.

    Raises:
        ConfigError: A class in it is neither the suite's nor Lightning's.
    """
    values: list[Any] = [read_yaml(config, what="config", error=ConfigError)]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            name = value.get("class_path")
            if isinstance(name, str) and "." in name and not name.startswith(KNOWN_CODE):
                raise ConfigError(
                    f"'{config}', which lies beside the model, names '{name}', which is no class "
                    f"of the suite. If you trust it, give it: --config {config}"
                )
            value = [*value.values()]
        if isinstance(value, list):
            values += value


def model_options(
    described: ModelDescription, state: Mapping[str, Tensor], task: type[BaseTask] | None = None
) -> dict[str, Any]:
    """The `model` of a config, from the description in a file of weights and its tensors.

    Args:
        described: What the file says of its model.
        state: Tensor by key.
        task: Class of the task where it is not one of the suite.

    Raises:
        CheckpointError: The task is not known, or its arguments are not its own.
    """
    cls = task or find_task(described["task"])
    arguments = checked_arguments(
        cls, described["hyper_parameters"], state, version=described["version"]
    )
    if "class_names" in inspect.signature(cls).parameters:
        arguments["class_names"] = described["class_names"]
    return {"class_path": f"{cls.__module__}.{cls.__qualname__}", "init_args": arguments}


def read_description(file: Path) -> ModelDescription | None:
    """What a file says of its model; None if it says nothing."""
    if file.suffix == ".safetensors":
        return read_model(file)[1]
    try:
        return describe_checkpoint(read_checkpoint(file, mmap=True))
    except CheckpointError:
        return None


def load_data(file: Path, config: Path | None, more: Sequence[str]) -> DataModule:
    """The datamodule of a trained model, its validation set ready.

    Args:
        file: The model's file.
        config: A config; None uses that of its run.
        more: Options such as `--data.root`, as of `vision validate`.

    Raises:
        ConfigError: There is no config, it does not fit the model, or it lies beside the model and
            names classes of others, which only a config that was given may do.
    """
    if config is None:
        folder = find_run(file)
        if folder is None:
            raise ConfigError(
                f"there is no {CONFIG} beside '{file}' or above it, which would name the data. "
                "Give one: --config FILE."
            )
        config = folder / CONFIG
        require_known_classes(config)
    weights = "--ckpt_path" if file.suffix == ".ckpt" else "--model.weights"
    # One batch on its way through the command, which writes nothing then.
    quick = ["--trainer.fast_dev_run", "1", "--verbose", "false"]
    quiet = ["--trainer.enable_progress_bar", "false"]
    hardware = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
    options = ["--config", str(config), weights, str(file), *quick, *quiet, *hardware, *more]
    return run("validate", options).datamodule
