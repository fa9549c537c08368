"""The commands that a run shows at its end, to be copied."""

import inspect
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from vision.callbacks.run.summary import relative_path
from vision.cli.model_files import WEIGHTS
from vision.cli.names import import_path
from vision.cli.runs import CHECKPOINTS, NICKNAMES
from vision.kinds import Template
from vision.task_parts import has_part, read_column

# Folder within a run for predictions on other images.
PREDICTED = "predicted"

# Other backbones to try, with their options: small images want a small one.
SMALL_BACKBONES = {
    "swin": "'{dim: 48, depths: [2, 2], num_heads: [3, 6], window_size: 4}'",
    "convnext": "'{dims: [32, 64, 128, 256], depths: [1, 1, 2, 1], layer_scale: 1.0}'",
}
BACKBONES = {"convnext_tiny": "null", "swin_tiny": "null"}


# Datasets of small images.
SMALL_DATA = ("vision.data.Digits",)


def next_commands(
    root: Path,
    folder: Path,
    *,
    name: str,
    backbone: str,
    classes: Mapping[str, type],
    pictures: Path | None = None,
) -> list[tuple[str, str]]:
    """What to do after a run, with what it has written: look, use, hand over, go on.

    Args:
        root: Folder of `train.py` and of `configs`.
        folder: Folder of the run.
        name: Its name.
        backbone: Its backbone.
        classes: Class of its task (`"model"`) and of its datamodule (`"data"`).
        pictures: Folder of images to predict; None shows a placeholder.

    Returns:
        Pairs of what a command is for and the command.
    """
    start = f"{_python()} {shlex.quote(relative_path(root / 'train.py'))}"
    config = shlex.quote(relative_path(folder / "config.yaml"))
    small = any(classes["data"] is import_path(path) for path in SMALL_DATA)
    family = backbone.partition("_")[0]
    choices = (SMALL_BACKBONES if small else BACKBONES).items()
    other, options = next(item for item in choices if item[0].partition("_")[0] != family)
    commands = _use(root, folder, classes, pictures)
    if (folder / CHECKPOINTS / "best.ckpt").is_file():
        best = shlex.quote(relative_path(folder / CHECKPOINTS / "best.ckpt"))
        measure = f"{start} validate --config {config} --ckpt_path {best}"
        commands.append(("measure the best checkpoint again", measure))
    if {"backbone", "backbone_options"} <= {*inspect.signature(classes["model"]).parameters}:
        commands.append(
            (
                "the same data with another backbone",
                f"{start} fit --config {config} --name {name}_{other} "
                f"--model.backbone {other} --model.backbone_options {options}",
            )
        )
    template: Template | None = read_column(classes["model"], "template")
    if template is not None:
        file = shlex.quote(relative_path(root / template.config))
        commands.append((template.what, f"{start} fit --config {file} {template.options}"))
    return commands


def _use(
    root: Path, folder: Path, classes: Mapping[str, type], pictures: Path | None
) -> list[tuple[str, str]]:
    """Commands for the trained model that work for its task; none where it was not saved."""
    # A run that was not validated has no best one.
    files = [
        file
        for name in NICKNAMES
        for file in (
            folder / WEIGHTS / f"{name}.safetensors",
            folder / CHECKPOINTS / f"{name}.ckpt",
        )
    ]
    model = next((shlex.quote(relative_path(path)) for path in files if path.is_file()), None)
    if model is None:
        return []
    run, out = shlex.quote(relative_path(folder)), shlex.quote(relative_path(folder / PREDICTED))
    tools = {
        name: f"{_python()} {shlex.quote(relative_path(root / 'tools' / f'{name}.py'))}"
        for name in ("evaluate", "predict", "export")
    }
    task = classes["model"]
    own = f" --task {task.__module__}:{task.__qualname__}" if _is_own(task) else ""
    # A config that names code of others is not read unless it is given.
    config = f" --config {run}/config.yaml" if any(map(_is_own, classes.values())) else ""
    commands = []
    if has_part(task, "recorder") and has_part(task, "report"):
        report = f"{tools['evaluate']} model {run}{config}"
        commands.append(("a report: curves, tables, best and worst examples", report))
    if has_part(task, "predictor"):
        where = "FOLDER" if pictures is None else shlex.quote(relative_path(pictures))
        about = "your own pictures" if pictures is None else "pictures, these or your own"
        predict = f"{tools['predict']} {model} {where} --out {out}{own}"
        commands.append((f"{about}: drawn, and as JSON", predict))
    whole = has_part(task, "export_graph")
    commands.append(
        (
            f"a file {'' if whole else 'of the backbone '}for other programs "
            '(pip install "vision-suite[export]")',
            f"{tools['export']} {model}{'' if whole else ' --backbone'} --format onnx{own}",
        )
    )
    return commands


def _is_own(cls: type) -> bool:
    """Whether a class is not one of the suite's."""
    return not cls.__module__.startswith("vision.")


def _python() -> str:
    """The interpreter as a person would type it."""
    if shutil.which("python") == sys.executable:
        return "python"
    return shlex.quote(relative_path(sys.executable))
