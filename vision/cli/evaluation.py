"""The command `model` of tools/evaluate.py: measure a trained model and write a report of it.

It runs `train.py validate` or `test` in this process, with a callback that collects what the report
shows: the numbers are the same by construction.
"""

import argparse
import inspect
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from torch import Tensor

from vision.callbacks.results.evaluation_records import EvaluationRecords
from vision.cli.app import VisionCLI, run
from vision.contracts.models import ModelDescription
from vision.documents.yaml_text import read_yaml
from vision.errors import CheckpointError, ConfigError
from vision.outputs import check_output_folder
from vision.predict.load import MODEL_FILES
from vision.report.against import find_report, read_report, report_folder, require_kind
from vision.report.build import PAGE, Subject, write_report
from vision.report.parts import EvaluatedData
from vision.tasks.base import BaseTask
from vision.tasks.build_from_file import checked_arguments
from vision.tasks.checkpoint import describe_checkpoint
from vision.tasks.registry import find_task
from vision.weights.checkpoint_file import read_checkpoint
from vision.weights.model_file import read_model

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "config.yaml"
KNOWN_CODE = ("vision.", "lightning.pytorch.")
COMMANDS = {"val": "validate", "test": "test"}


class Place(NamedTuple):
    """A trained model: its file, and the folder of its run if it has one."""

    file: Path
    run: Path | None


def locate(given: str) -> Place:
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
    beside = file.resolve().parent  # a link may lie anywhere
    runs = (folder for folder in (beside.parent, beside) if (folder / CONFIG).is_file())
    return Place(file, next(runs, None))


def default_folder(place: Place, split: str) -> Path:
    """Where the report goes unless another folder is given."""
    return (place.run or place.file.parent) / report_folder(split)


def evaluate_model(options: argparse.Namespace, more: Sequence[str]) -> None:
    """Evaluate, write the report, and print where it is.

    Args:
        options: Those of the command.
        more: Further options of train.py.
    """
    place = locate(options.source)
    against = prepare_against(options, more)
    described = read_description(place.file)
    if against is not None and described is not None and described["kind"]:
        require_kind(read_report(against), described["kind"])
    folder = options.out or default_folder(place, options.split)
    check_output_folder(folder, option="--out", levels=0)
    with arguments_for(place, options.config or (), options.task) as arguments:
        records = EvaluationRecords(limit=options.limit)
        command = COMMANDS[options.split]
        cli = run(command, [*arguments, *more], root=ROOT, callbacks=[records])
    if records.record is None:  # not the first process
        return
    source = EvaluatedData(
        getattr(cli.datamodule, f"{options.split}_dataset", None), cli.datamodule
    )
    report = write_report(folder, records.record, describe(cli, place), source, against=against)
    for name, value in report["metrics"].items():
        print(f"{name:<24} {value:.4f}")
    print(f"{report['images']:,} images; the report is {folder / PAGE}")


def prepare_against(options: argparse.Namespace, more: Sequence[str]) -> Path | None:
    """The report file to compare with; a run that has none is evaluated in the same way first."""
    if options.against is None:
        return None
    found = find_report(options.against, options.split)
    if found is None:
        print(f"{options.against} has no report yet: it is evaluated first.")
        own = {"source": str(options.against), "against": None, "out": None, "config": None}
        evaluate_model(argparse.Namespace(**{**vars(options), **own}), more)
        found = find_report(options.against, options.split)
    if found is not None:
        read_report(found)  # a file that is none is found out before the work
    return found


@contextmanager
def arguments_for(
    place: Place, configs: Sequence[str], task: type[BaseTask] | None = None
) -> Iterator[list[str]]:
    """Arguments of train.py: the configs, and the weights.

    A file that holds the description of its model is evaluated with the configs of its data alone.

    Raises:
        ConfigError: No config says what the data are.
    """
    if not configs and place.run is not None:
        require_known_classes(place.run / CONFIG)
        configs = [str(place.run / CONFIG)]
    if not configs:
        raise ConfigError(
            f"'{place.file}' is of no run whose {CONFIG} names the data: give --config FILE with"
            " the data."
        )
    given = [part for config in configs for part in ("--config", config)]
    if place.file.suffix != ".safetensors":
        yield [*given, "--ckpt_path", str(place.file)]
        return
    state, described = read_model(place.file)
    with tempfile.TemporaryDirectory() as folder:
        if described is not None:
            file = Path(folder) / "model.yaml"
            file.write_text(yaml.safe_dump({"model": model_options(described, state, task)}))
            given = ["--config", str(file), *given]
        yield [*given, "--model.weights", str(place.file)]


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
        task: Class of the task where it is none of the suite's.

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


def describe(cli: VisionCLI, place: Place) -> Subject:
    """What was evaluated, for the report."""
    data = cli.options["data"]["init_args"]
    plain = {
        key: value
        for key, value in dict(data.as_dict()).items()
        if isinstance(value, bool | int | float | str)
    }
    return Subject(
        description=read_description(place.file) or cli.model.describe(),
        parameters=sum(parameter.numel() for parameter in cli.model.parameters()),
        data={"name": type(cli.datamodule).__name__, **plain},
        checkpoint=place.file,
        run=place.run,
        command=shlex.join(["python", *sys.argv]),
    )


def read_description(file: Path) -> ModelDescription | None:
    """What a file says of its model; None if it says nothing."""
    if file.suffix == ".safetensors":
        return read_model(file)[1]
    try:
        return describe_checkpoint(read_checkpoint(file, mmap=True))
    except CheckpointError:
        return None
