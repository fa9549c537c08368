"""Load a trained model from a checkpoint, a run, an exported file or the hub."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.backbones.base import Backbone
from vision.contracts.models import ModelDescription
from vision.errors import CheckpointError, ConfigError, WeightsError
from vision.optim.averages import WEIGHTS_KEY
from vision.predict.model import Model
from vision.reading import shown_path
from vision.tasks.base import BaseTask
from vision.tasks.build_from_file import checked_arguments
from vision.tasks.checkpoint import describe_checkpoint
from vision.tasks.registry import find_task
from vision.tasks.unfilled import build_unfilled
from vision.weights.checkpoint_file import read_checkpoint
from vision.weights.download import HUB_PREFIX, download_from_hub
from vision.weights.model_file import read_model
from vision.weights.tensors import check_finite, check_tensors

logger = logging.getLogger(__name__)

SAFETENSORS = ".safetensors"
# The first of these files in a folder is loaded: a run's best or last checkpoint, the model of a
# folder for the hub, or the weights that a run wrote.
MODEL_FILES = (
    *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
    *("best.ckpt", "last.ckpt", "model.safetensors"),
    *("weights/best.safetensors", "weights/last.safetensors"),
)
HUB_ID = r"[\w.-]+/[\w.-]+"


def load(
    source: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    task: type[BaseTask] | None = None,
    backbone: Backbone | None = None,
) -> Model:
    """Load a trained model, ready to predict.

    Nothing in the file is executed: it holds tensors and plain values, and the names in it are
    looked up in the suite's own lists. If the training kept averaged weights (EMA), these are
    loaded.

    Args:
        source: A checkpoint (`.ckpt`), the folder of a run, a `.safetensors` that the suite wrote,
            a folder made for the Hugging Face hub, or `"hf://owner/repo[/file][@revision]"`.
        device: Device of the model; None uses the CPU.
        task: Class of the task, if it is not one of the suite's.
        backbone: The backbone, if the task was trained with a backbone object of your own.

    Returns:
        The model in evaluation mode.

    Raises:
        CheckpointError: The file belongs to no task or to an unknown one, or does not fit it.
        WeightsError: It is absent, damaged or unsafe, cannot be fetched, or holds infinite or NaN
            weights.
    """
    path = _find(source)
    try:
        state, description = _read(path)
        built = build(state, description, task=task, backbone=backbone)
    except (CheckpointError, WeightsError) as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"'{path}': {error}") from error
    model = Model(built, description, path=path, device=device)
    logger.info("loaded %s from %s", model, path)
    return model


def build(
    state: Mapping[str, Tensor],
    description: ModelDescription,
    *,
    task: type[BaseTask] | None = None,
    backbone: Backbone | None = None,
) -> BaseTask:
    """Build a task from its description and load all of its tensors.

    Args:
        state: Tensor by key.
        description: Description of the task in the file.
        task: Class of the task, if it is not one of the suite's.
        backbone: The backbone, if the description does not name one.

    Raises:
        CheckpointError: The task is unknown, its arguments do not fit this version or the tensors,
            or the class names do not fit its classes.
            WeightsError: A tensor is not dense, or holds infinite or NaN values.
    """
    found = find_task(description["task"], {description["task"]: task} if task else None)
    tensors = check_tensors(state, "the file")
    arguments = checked_arguments(
        found,
        description["hyper_parameters"],
        tensors,
        version=description["version"],
        own=None if backbone is None else {"backbone": backbone},
    )
    # A class of the caller's own may need its initial values.
    ours = found.__module__.startswith("vision.")
    model = build_unfilled(lambda: found(**arguments)) if ours else found(**arguments)
    model.load_state_dict(tensors)
    check_finite(tensors, "the file")
    try:
        model.adopt_description(description, "the file")
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    return model.eval()


def _read(path: Path) -> tuple[Any, ModelDescription]:
    if path.suffix == SAFETENSORS:
        state, description = read_model(path)
        if description is None:
            raise CheckpointError(
                "it holds tensors without a description of their model. Build the model and load "
                "them: vision.load_weights(vision.create_backbone(NAME), PATH), or "
                "weights=PATH of a task."
            )
        return state, description
    # Memory-mapped, so that the optimiser state of a large file is not read.
    checkpoint = read_checkpoint(path, mmap=True)
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f"it holds a {type(checkpoint).__name__}, expected a checkpoint.")
    description = describe_checkpoint(checkpoint)
    if not description["task"]:
        raise CheckpointError("it was written by an early version and does not name its task.")
    return checkpoint.get(WEIGHTS_KEY) or checkpoint.get("state_dict"), description


def _find(source: str | os.PathLike[str]) -> Path:
    """Find the file of a source; fetch it if it is on the hub."""
    if isinstance(source, str) and source.startswith(HUB_PREFIX):
        local = Path(source.removeprefix(HUB_PREFIX))
        return _find(local) if local.is_dir() else download_from_hub(source)
    path = Path(os.path.expanduser(source))
    # These return False where methods of `Path` raise: for a name with a NUL, or a too long one.
    if os.path.exists(path) and not os.path.isdir(path):
        return path
    if not os.path.isdir(path):
        of_hub = (
            f" Is it on the hub? Then write hf://{source}."
            if re.fullmatch(HUB_ID, str(source))
            else ""
        )
        raise WeightsError(
            f"there is no {shown_path(path)} to load (looked at "
            f"{shown_path(os.path.abspath(path))}).{of_hub} Give a checkpoint, the folder of a "
            "run, a .safetensors file, or hf://owner/repo."
        )
    for name in MODEL_FILES:
        if (path / name).is_file():
            return path / name
    runs = sorted(path.glob("version_*"))
    if runs:
        raise ConfigError(f"'{path}' holds several runs: choose one, such as '{runs[-1]}'.")
    raise WeightsError(f"'{path}' holds no model: expected one of {', '.join(MODEL_FILES)}.")
