"""The commands that a run shows at its end, to be copied."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vision.callbacks.run.summary import shown
from vision.cli.model_files import WEIGHTS
from vision.cli.names import import_path
from vision.cli.runs import CHECKPOINTS, NICKNAMES

# Folder in that of a run for what its model finds in other images.
PREDICTED = "predicted"

# Other backbones to try, with their options: small images want a small one.
SMALL_BACKBONES = {
    "swin": "'{dim: 48, depths: [2, 2], num_heads: [3, 6], window_size: 4}'",
    "convnext": "'{dims: [32, 64, 128, 256], depths: [1, 1, 2, 1], layer_scale: 1.0}'",
}
BACKBONES = {"convnext_tiny": "null", "swin_tiny": "null"}


@dataclass(frozen=True)
class Template:
    """A config for the user's own data.

    Attributes:
        what: What the data has to be.
        config: Path of the config in the repository.
        options: Options that name the data.
    """

    what: str
    config: str
    options: str


# Import path of a task -> its template.
TEMPLATES = {
    "vision.tasks.Classification": Template(
        what="your own images: a folder with one folder per class",
        config="configs/classification/image_folder/swin_linear.yaml",
        options="--data.root FOLDER",
    ),
    "vision.tasks.Detection": Template(
        what="your own objects: annotations in COCO's format",
        config="configs/detection/coco_format/swin_mask_rcnn.yaml",
        options="--data.train_annotations FILE --data.train_images FOLDER "
        "--data.val_annotations FILE --data.val_images FOLDER",
    ),
    "vision.tasks.Segmentation": Template(
        what="your own masks: a folder of images and one of masks",
        config="configs/segmentation/mask_folder/swin_upernet.yaml",
        options="--data.root FOLDER --data.classes '[NAME, NAME]'",
    ),
}
# Datasets of small images.
SMALL_DATA = ("vision.data.Digits",)


def next_commands(
    root: Path, folder: Path, *, name: str, backbone: str, classes: Mapping[str, type]
) -> list[tuple[str, str]]:
    """What to do after a run, with what it has written: look, use, hand over, go on.

    Args:
        root: Folder of `train.py` and of `configs`.
        folder: Folder of the run.
        name: Its name.
        backbone: Its backbone.
        classes: Class of its task (`"model"`) and of its datamodule (`"data"`).

    Returns:
        Pairs of what a command is for and the command.
    """
    start = f"{_python()} {shlex.quote(shown(root / 'train.py'))}"
    config = shlex.quote(shown(folder / "config.yaml"))
    small = any(classes["data"] is import_path(path) for path in SMALL_DATA)
    family = backbone.partition("_")[0]
    choices = (SMALL_BACKBONES if small else BACKBONES).items()
    other, options = next(item for item in choices if item[0].partition("_")[0] != family)
    commands = _use(root, folder)
    if (folder / CHECKPOINTS / "best.ckpt").is_file():
        best = shlex.quote(shown(folder / CHECKPOINTS / "best.ckpt"))
        measure = f"{start} validate --config {config} --ckpt_path {best}"
        commands.append(("measure the best checkpoint again", measure))
    commands.append(
        (
            "the same data with another backbone",
            f"{start} fit --config {config} --name {name}_{other} "
            f"--model.backbone {other} --model.backbone_options {options}",
        )
    )
    for path, template in TEMPLATES.items():
        if issubclass(classes["model"], import_path(path)):
            file = shlex.quote(shown(root / template.config))
            commands.append((template.what, f"{start} fit --config {file} {template.options}"))
    return commands


def _use(root: Path, folder: Path) -> list[tuple[str, str]]:
    """Commands for the trained model; none where it was not saved."""
    # A run that was not validated has no best one.
    files = [
        file
        for name in NICKNAMES
        for file in (
            folder / WEIGHTS / f"{name}.safetensors",
            folder / CHECKPOINTS / f"{name}.ckpt",
        )
    ]
    model = next((shlex.quote(shown(path)) for path in files if path.is_file()), None)
    if model is None:
        return []
    run, out = shlex.quote(shown(folder)), shlex.quote(shown(folder / PREDICTED))
    tools = {
        name: f"{_python()} {shlex.quote(shown(root / 'tools' / f'{name}.py'))}"
        for name in ("evaluate", "predict", "export")
    }
    return [
        ("a report: curves, tables, best and worst examples", f"{tools['evaluate']} model {run}"),
        ("your own pictures, drawn and as JSON", f"{tools['predict']} {model} FOLDER --out {out}"),
        (
            'a file for other programs (pip install "vision-suite[export]")',
            f"{tools['export']} {model} --format onnx",
        ),
    ]


def _python() -> str:
    """The interpreter as a person would type it."""
    if shutil.which("python") == sys.executable:
        return "python"
    return shlex.quote(shown(sys.executable))
