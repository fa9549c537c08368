"""Paths that are options of a datamodule."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from vision.reading import user_path


def given_paths(paths: Mapping[str, str | os.PathLike[str] | None]) -> tuple[str, dict[str, Path]]:
    """The options that are given, as on the command line and as paths.

    Args:
        paths: Path of each option; None where it is not given.

    Returns:
        The options, `"--root data"`, and the path of each.

    Raises:
        DataError: No file system has such a path.
    """
    given = {name: path for name, path in paths.items() if path is not None}
    options = " ".join(f"--{name} {shlex.quote(os.fspath(path))}" for name, path in given.items())
    return options, {name: user_path(path, what=f"--{name}") for name, path in given.items()}
