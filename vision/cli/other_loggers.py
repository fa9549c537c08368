"""Loggers of a config, such as W&B and MLflow: they write into the folder of the run."""

import inspect
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from vision.cli.names import import_path

SAVE_DIR = "save_dir"


def unplaced_logs(configured: Any) -> list[Namespace]:
    """The loggers whose `save_dir` was left at its default.

    Args:
        configured: The parsed value of `trainer.logger`: one logger, several, or none.

    Returns:
        The options of each, for `place_logs`.
    """
    loggers = configured if isinstance(configured, list | tuple) else [configured]
    return [logger for logger in loggers if isinstance(logger, Namespace) and _is_unplaced(logger)]


def place_logs(loggers: list[Namespace], folder: Path) -> None:
    """Let loggers write below the folder of a run.

    Args:
        loggers: Result of `unplaced_logs`; changed in place.
        folder: Folder of the run.
    """
    for logger in loggers:
        options = logger["init_args"]
        options[SAVE_DIR] = str(folder / (options[SAVE_DIR] or ""))


def _is_unplaced(logger: Namespace) -> bool:
    given = logger.get("init_args") or {}
    parameter = inspect.signature(import_path(logger["class_path"])).parameters.get(SAVE_DIR)
    if parameter is None or SAVE_DIR not in given:
        return False
    return parameter.default is not parameter.empty and given[SAVE_DIR] == parameter.default
