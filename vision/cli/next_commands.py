"""The commands that a run shows at its end, to be copied."""

import inspect
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from vision.backbones.registry import family_of, input_of, list_backbones
from vision.cli.model_files import WEIGHTS
from vision.cli.names import import_path
from vision.cli.runs import CHECKPOINTS, NICKNAMES
from vision.extras import install_line
from vision.files import relative_path
from vision.kinds import Template
from vision.program import command
from vision.task_parts import has_part, read_column, resolve_part

# Folder within a run for predictions on other images.
PREDICTED = "predicted"

# Other backbones to try, with their options: small images want a small one.
SMALL_BACKBONES = {
    "swin": "'{dim: 48, depths: [2, 2], num_heads: [3, 6], window_size: 4}'",
    "convnext": "'{dims: [32, 64, 128, 256], depths: [1, 1, 2, 1], layer_scale: 1.0}'",
}
BACKBONES = {"convnext_tiny": "null", "swin_tiny": "null"}
VOLUME_BACKBONES = ("swin_volume_24", "swin_volume_48")


# Datasets of small images.
SMALL_DATA = ("vision.data.Digits",)


def next_commands(
    folder: Path,
    *,
    name: str,
    backbone: str,
    classes: Mapping[str, type],
    pictures: Path | None = None,
) -> list[tuple[str, str]]:
    """What to do after a run, with what it has written: look, use, hand over, go on.

    Args:
        folder: Folder of the run.
        name: Its name.
        backbone: Its backbone.
        classes: Class of its task (`"model"`) and of its datamodule (`"data"`).
        pictures: Folder of images to predict; None shows a placeholder.

    Returns:
        Pairs of what a command is for and the command.
    """
    config = shlex.quote(relative_path(folder / "config.yaml"))
    small = any(classes["data"] is import_path(path) for path in SMALL_DATA)
    other = _other_backbone(backbone, small=small)
    reads = input_of(backbone)
    commands = _use(folder, classes, pictures, reads)
    if (folder / CHECKPOINTS / "best.ckpt").is_file():
        best = shlex.quote(relative_path(folder / CHECKPOINTS / "best.ckpt"))
        measure = f"{command('validate')} --config {config} --ckpt_path {best}"
        commands.append(("measure the best checkpoint again", measure))
    given = {*inspect.signature(classes["model"]).parameters}
    if other is not None and {"backbone", "backbone_options"} <= given:
        commands.append(
            (
                "the same data with another backbone",
                f"{command('fit')} --config {config} --name {name}_{other[0]} "
                f"--model.backbone {other[0]} --model.backbone_options {other[1]}",
            )
        )
    template: Template | None = read_column(classes["model"], "template", reads=reads)
    if template is not None:
        start = f"{command('fit')} --config {template.config}"
        commands.append((template.what, f"{start} {template.options}"))
    return commands


def _other_backbone(backbone: str, *, small: bool) -> tuple[str, str] | None:
    """Another backbone for the same input, and its options; None if there is none."""
    if input_of(backbone) == "volume":
        return next(name for name in VOLUME_BACKBONES if name != backbone), "null"
    if input_of(backbone) == "points":
        family = list_backbones(f"{family_of(backbone)}_*", input="points")
        return next(((name, "null") for name in family if name != backbone), None)
    choices = (SMALL_BACKBONES if small else BACKBONES).items()
    first = backbone.partition("_")[0]
    return next(item for item in choices if item[0].partition("_")[0] != first)


def _use(
    folder: Path, classes: Mapping[str, type], pictures: Path | None, reads: str
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
    task = classes["model"]
    own = f" --task {task.__module__}:{task.__qualname__}" if _is_own(task) else ""
    # A config that names code of others is not read unless it is given.
    config = f" --config {run}/config.yaml" if any(map(_is_own, classes.values())) else ""
    commands = []
    if has_part(task, "recorder", reads=reads) and has_part(task, "report", reads=reads):
        report = f"{command('evaluate')} model {run}{config}"
        commands.append(("a report: curves, tables, best and worst examples", report))
    if has_part(task, "predictor", reads=reads):
        where = "FOLDER" if pictures is None else shlex.quote(relative_path(pictures))
        about = "your own pictures" if pictures is None else "pictures, these or your own"
        needs = " ".join(["", *filter(None, [read_column(task, "predict_needs", reads=reads)])])
        predict = f"{command('predict')} {model} {where} --out {out}{needs}{own}"
        commands.append((f"{about}: drawn, and as JSON", predict))
    whole = has_part(task, "export_graph", reads=reads)
    form = _export_format(task, reads) if whole else "onnx"
    commands.append(
        (
            f"a file {'' if whole else 'of the backbone '}for other programs{_needed(form)}",
            f"{command('export')} {model}{'' if whole else ' --backbone'} --format {form}{own}",
        )
    )
    return commands


def _export_format(task: type, reads: str) -> str:
    """ONNX, or a file of tensors where it cannot hold the model."""
    graph = resolve_part(read_column(task, "export_graph", reads=reads))
    return "safetensors" if "onnx" in graph.refused else "onnx"


def _needed(form: str) -> str:
    """What an export needs that is not installed."""
    missing = form == "onnx" and find_spec("onnx") is None
    return f" (first: {install_line('export')})" if missing else ""


def _is_own(cls: type) -> bool:
    """Whether a class is not one of the suite's."""
    return not cls.__module__.startswith("vision.")
