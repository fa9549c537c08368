"""Loggers of a config, such as W&B and MLflow: they write into the folder of the run."""

import inspect
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from vision.cli.names import import_path

# What says where a logger writes: a folder, or the address of a server or database.
FOLDER, ADDRESS, FILES = "save_dir", "tracking_uri", "artifact_location"


def unplaced_logs(configured: Any) -> list[Namespace]:
    """The loggers whose folder and address were left at their defaults.

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
        options[FOLDER] = str(folder / (options[FOLDER] or ""))
        if ADDRESS in options:  # MLflow, whose plain files are no longer supported
            options[ADDRESS] = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
            options[FILES] = (folder.absolute() / "mlruns").as_uri()


def _is_unplaced(logger: Namespace) -> bool:
    given = logger.get("init_args") or {}
    parameters = inspect.signature(import_path(logger["class_path"])).parameters
    folder = parameters.get(FOLDER)
    if folder is None or folder.default is folder.empty or FOLDER not in given:
        return False
    # An address may come from the environment; then the default has it.
    return given[FOLDER] == folder.default and given.get(ADDRESS) is None
