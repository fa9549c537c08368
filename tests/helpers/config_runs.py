"""The commands in the heads of the configs: what they set and what they build."""

import contextlib
import io
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from vision.backbones import create_backbone
from vision.backbones.registry import input_of
from vision.cli.main import main
from vision.cli.names import find_class
from vision.tasks.base import BaseTask
from vision.tasks.classifier import Classifier

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if "_base" not in path.parts)
BASES = sorted((ROOT / "configs" / "_base").glob("*.yaml"))
IMAGENET = ROOT / "configs" / "classification" / "imagenet"
COCO = ROOT / "configs" / "detection" / "coco"
COCO_DINO = sorted(COCO.glob("*_dino_*.yaml"))
ADE20K = ROOT / "configs" / "segmentation" / "ade20k"
CITYSCAPES = ROOT / "configs" / "segmentation" / "cityscapes"
PANOPTIC = [ROOT / "configs" / "panoptic" / name for name in ("coco", "cityscapes", "ade20k")]
DEPTH_NYUV2 = ROOT / "configs" / "depth" / "nyuv2"
DEPTH_KITTI = ROOT / "configs" / "depth" / "kitti"
NORMALS_NYUV2 = ROOT / "configs" / "normals" / "nyuv2"
DETECTION3D = ROOT / "configs" / "detection3d" / "kitti"
VOLUMES = ROOT / "configs" / "volumes"
POINTS = ROOT / "configs" / "points"
DENSE = (DEPTH_NYUV2, DEPTH_KITTI, NORMALS_NYUV2)


def command(config: Path) -> list[str]:
    """Arguments of the first `vision fit` in the head of a config."""
    comments = re.findall(r"^# ?(.*)$", config.read_text(), re.MULTILINE)
    lines = "\n".join(comments).replace("\\\n", " ").splitlines()
    first = next(line for line in lines if line.strip().startswith("vision fit "))
    return shlex.split(first)[1:]


# Options for files that the reader of a config has: an earlier run's, or their own data.
FILES = ("model.weights", "data.train_", "data.val_")


def without_files(arguments: list[str]) -> list[str]:
    """The arguments less the options of `FILES`, with their values."""
    kept: list[str] = []
    for i, word in enumerate(arguments):
        previous = arguments[i - 1] if i else ""
        if not any(w.startswith(tuple(f"--{name}" for name in FILES)) for w in (word, previous)):
            kept.append(word)
    return kept


@cache
def resolve(config: Path) -> dict[str, Any]:
    """Everything that the command of a config sets."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = main([*without_files(command(config)), "--print_config"])
    assert code == 0
    return yaml.safe_load(shown.getvalue())


@cache
def build(config: Path) -> BaseTask:
    """The task of a config, its weights without memory."""
    chosen = resolve(config)["model"]
    kind = find_class("model", chosen["class_path"], source="")
    options = {**chosen["init_args"], "pretrained": False}
    own = options.pop("backbone_options") or {}
    with torch.device("meta"):
        if kind.dense and input_of(options["backbone"]) == "image":
            own = {"dense": True, **own}
        backbone = create_backbone(options["backbone"], **own)
    # The metrics of a classifier need memory, and its head is small.
    with torch.device("cpu" if issubclass(kind, Classifier) else "meta"):
        return kind(**{**options, "backbone": backbone})
