"""Folders of runs, and checkpoints found in them: `runs/NAME/VERSION/checkpoints/best.ckpt`."""

import logging
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vision.cli.run_lock import LOCK
from vision.errors import CheckpointError, ConfigError, WeightsError, suggest
from vision.kinds import DESIGNS
from vision.optim.averages import STATE_KEY, WEIGHTS_KEY
from vision.reading import user_path
from vision.tasks.base import BaseTask
from vision.version import __version__
from vision.weights.checkpoint_file import read_checkpoint
from vision.weights.description import check_description
from vision.weights.tensors import check_finite, check_tensors

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
NICKNAMES = ("best", "last")
# Entries of a checkpoint that resuming needs besides weights.
TO_RESUME = ("optimizer_states", "lr_schedulers")
PROGRESS = {"epoch_progress", "epoch_loop.batch_progress"}
PROGRESS |= {"epoch_loop.automatic_optimization.optim_progress"}


def new_run_folder(parent: Path, version: str | None, *, create: bool = True) -> Path:
    """Choose the folder of a new run and make it.

    Args:
        parent: Folder of the runs of one name.
        version: Name of the folder; None uses the next free `version_N`.
        create: Whether to make it, which only one of several processes should.

    Raises:
        ConfigError: `version` exists and is not empty.
    """
    if version is not None:
        folder = parent / version
        if create:
            was_there = folder.exists()
            if was_there:
                check_unused(version, folder)
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                # An empty one was there before, or another run took it just now.
                if not was_there:
                    raise _taken(version, folder) from None
        return folder
    number = 1 + max((n for n, _ in _numbered(parent)), default=-1)
    while True:
        folder = parent / f"version_{number}"
        try:
            if create:
                folder.mkdir(parents=True)
        except FileExistsError:  # another run took it just now
            number += 1
        else:
            return folder


def check_unused(version: str | None, folder: Path) -> None:
    """Check that the folder of a new run holds only this process's lock.

    Raises:
        ConfigError: It holds more, or is not a folder.
    """
    if not folder.is_dir() or any(entry.name != LOCK for entry in folder.iterdir()):
        raise _taken(version or folder.name, folder)


def _taken(version: str, folder: Path) -> ConfigError:
    return ConfigError(
        f"--version {version}: {folder.resolve()} exists and is not empty.\n"
        "Give another --version, leave it out for the next free version_N, or delete the folder."
    )


def find_checkpoint(given: str, parent: Path, version: str | None = None) -> Path:
    """Resolve `--ckpt_path`.

    Args:
        given: A path, or `"best"` or `"last"` for the checkpoint of the newest run that has one.
        parent: Folder of the runs of one name.
        version: The run to look in for `"best"` or `"last"`; None uses the newest.

    Raises:
        ConfigError: There is no such file.
    """
    if given not in NICKNAMES:
        path = user_path(given, what="--ckpt_path", error=ConfigError)
        if path.is_file():
            return path
        near = [str(other) for other in path.parent.glob("*.ckpt")]
        raise ConfigError(
            f"--ckpt_path {given}: there is no such file; it was looked for at {path.resolve()}."
            f"{suggest(given, near)}\nWrite 'best' or 'last' for the newest run's."
        )
    newest_first = [folder for _, folder in sorted(_numbered(parent), reverse=True)]
    for folder in newest_first if version is None else [parent / version]:
        path = folder / CHECKPOINTS / f"{given}.ckpt"
        if path.is_file():
            return path
    raise _no_checkpoint(given, parent, version)


def find_resumable(parent: Path, version: str | None = None) -> Path:
    """The newest complete checkpoint from which a fit can resume, for `fit --ckpt_path last`.

    Within a run it is `last.ckpt`, or `best.ckpt` if only that is complete.

    Args:
        parent: Folder of the runs of one name.
        version: The run to resume; None uses the newest with a complete checkpoint.

    Raises:
        ConfigError: There is no such checkpoint.
    """
    newest_first = [folder for _, folder in sorted(_numbered(parent), reverse=True)]
    for folder in newest_first if version is None else [parent / version]:
        found = [folder / CHECKPOINTS / f"{name}.ckpt" for name in ("last", "best")]
        for path in found:
            if not path.is_file():
                continue
            if path.is_file() and zipfile.is_zipfile(
                path
            ):  # the directory of a zip file stands at its end
                return path
            logger.warning("%s is truncated or empty and was skipped.", path)
    raise _no_checkpoint("last", parent, version)


def _no_checkpoint(given: str, parent: Path, version: str | None) -> ConfigError:
    return ConfigError(
        f"--ckpt_path {given}: no run in {(parent / (version or '')).resolve()} has "
        f"{CHECKPOINTS}/{given}.ckpt.\n"
        "Train first, choose the run with --name, --version and --runs_dir, or give a path."
    )


def check_checkpoint(path: Path, module: nn.Module, *, resumes: bool = False) -> int:
    """Compare a checkpoint with the model before a trainer loads it.

    Args:
        path: The file.
        module: The model.
        resumes: Whether a training resumes from it, which needs more than weights.

    Returns:
        Number of optimiser steps before it was written.

    Raises:
        WeightsError: The file is not a checkpoint of a run, or belongs to another model.
    """
    try:
        # Mapped, so that a large file is compared without being read.
        checkpoint = read_checkpoint(path, mmap=True)
    except CheckpointError as error:
        raise WeightsError(
            f"--ckpt_path {path}: {error}\nA file of published weights is given with "
            "--model.weights FILE instead."
        ) from error
    if not isinstance(checkpoint, Mapping) or "pytorch-lightning_version" not in checkpoint:
        raise WeightsError(
            f"--ckpt_path {path}: this is a file of weights, not a checkpoint of a run.\n"
            "Give it with --model.weights FILE instead."
        )
    if "state_dict" not in checkpoint or not isinstance(checkpoint.get("global_step"), int):
        raise WeightsError(
            f"--ckpt_path {path}: it has no 'state_dict' or no 'global_step', which every "
            "checkpoint of a run has: it is damaged. Use another one of the run."
        )
    if resumes:
        _check_progress(path, checkpoint)
    state = check_tensors(checkpoint["state_dict"], f"--ckpt_path {path}")
    problem = _difference(state, module.state_dict())
    if problem:
        vision = checkpoint.get("vision")
        described = "" if vision is None else describe_difference(check_description(vision), module)
        problem = f"{problem[0].upper()}{problem[1:]}" if described else problem
        raise WeightsError(
            f"--ckpt_path {path}: the checkpoint belongs to another model: {described}{problem}\n"
            f"Use the config of its run{_config_beside(path)}"
        )
    check_finite(state, f"--ckpt_path {path}")
    if WEIGHTS_KEY in checkpoint:
        _check_averages(path, checkpoint, module)
    return int(checkpoint["global_step"])


def _check_progress(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Check that a training can resume from a checkpoint.

    Raises:
        WeightsError: It holds only weights, or is damaged.
    """
    absent = [key for key in TO_RESUME if not checkpoint.get(key)]
    progress = checkpoint.get("loops")
    progress = progress.get("fit_loop") if isinstance(progress, Mapping) else None
    if not isinstance(progress, Mapping) or not {*progress} >= PROGRESS:
        absent.append("loops")
    if checkpoint["global_step"] < 0:
        absent.append("global_step")
    if absent:
        raise WeightsError(
            f"--ckpt_path {path}: it has no '{absent[0]}' that is whole, without which a training "
            "cannot continue: it holds only weights, or is damaged.\nBegin a new run from its "
            "weights: --model.weights FILE without --ckpt_path."
        )


def _check_averages(path: Path, checkpoint: Mapping[str, Any], module: nn.Module) -> None:
    where = f"--ckpt_path {path}, averaged weights"
    averages = check_tensors(checkpoint[WEIGHTS_KEY], where)
    problem = _difference(averages, module.state_dict())
    counts = checkpoint.get(STATE_KEY)
    if problem is None and not (isinstance(counts, Mapping) and "updates" in counts):
        problem = "it does not say how many updates they have."
    if problem:
        raise WeightsError(f"{where}: {problem} It is damaged; use another one of the run.")
    check_finite(averages, where)


def describe_difference(theirs: Any, module: nn.Module) -> str:
    """Describe how the model of a checkpoint differs from a config's.

    Args:
        theirs: The description in the checkpoint, of any version of the suite.
        module: The model of the config.

    Returns:
        A sentence for each difference, with a space after it; empty if nothing is known.
    """
    if not isinstance(theirs, Mapping) or not isinstance(module, BaseTask):
        return ""
    ours: Mapping[str, Any] = {**module.describe()}
    pairs = {
        "task": (theirs.get("task"), ours["task"]),
        "backbone": (theirs.get("backbone"), ours["backbone"]),
        "number of classes": (_class_count(theirs), _class_count(ours)),
    }
    for part in DESIGNS:
        options = [side.get("hyper_parameters") or {} for side in (theirs, ours)]
        pairs[part] = (options[0].get(part), options[1].get(part))
    words = [
        f"its {name} is {a}, the config's {b}."
        for name, (a, b) in pairs.items()
        if a is not None and b is not None and a != b
    ]
    version = theirs.get("version")
    if version != __version__:
        words.append(f"version {version} of the suite wrote it, this is {__version__}.")
    return "".join(f"{sentence} " for sentence in words)


def _class_count(description: Mapping[str, Any]) -> int | None:
    count = (description.get("hyper_parameters") or {}).get("num_classes")
    names = description.get("class_names")
    return count if count is not None else len(names) if names else None


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Tensor]) -> str | None:
    absent = [key for key in ours if key not in theirs]
    extra = [key for key in theirs if key not in ours]
    if absent or extra:
        first = f"it has no '{absent[0]}'" if absent else f"it also has '{extra[0]}'"
        return f"{first} ({len(absent)} tensors are missing, {len(extra)} too many)."
    for key, tensor in ours.items():
        if theirs[key].shape != tensor.shape:
            return (
                f"'{key}' is {tuple(theirs[key].shape)} in the file, {tuple(tensor.shape)} in the "
                "model that the config describes."
            )
    return None


def _config_beside(path: Path) -> str:
    config = path.parent.parent / "config.yaml"
    return f": --config {config}" if config.is_file() else "."


def _numbered(parent: Path) -> list[tuple[int, Path]]:
    found = []
    for folder in parent.glob("version_*"):
        match = re.fullmatch(r"version_(\d+)", folder.name)
        if match:
            found.append((int(match[1]), folder))
    return found
