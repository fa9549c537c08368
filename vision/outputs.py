"""Checks of output paths before the work, so that no result is lost to a late error."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vision.errors import ConfigError
from vision.files import MAX_NAME_BYTES
from vision.reading import shown_path


def check_output_file(path: Path | str, *, option: str) -> Path:
    """Check that a file can be written; nothing is written, and no folder is made.

    Args:
        path: The file. One that is there is replaced later.
        option: How the user gave the path, such as `"--json"`.

    Returns:
        The path.

    Raises:
        ConfigError: It is empty, a folder or a device, or its folder cannot be written to.
    """
    path = Path(_usable(path, option))
    try:
        mode = path.stat().st_mode
    except OSError:  # absent, or a link to nothing, which is replaced
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise ConfigError(f"{option} {shown_path(path)} is a folder: give the path of a file.")
    if mode is not None and not stat.S_ISREG(mode):
        raise ConfigError(f"{option} {shown_path(path)} is no regular file: give another path.")
    check_writable(path.absolute().parent, f"{option} {shown_path(path)}")
    return path


def check_output_folder(folder: Path | str, *, option: str, levels: int | None = None) -> Path:
    """Check that a folder can be written to, and that no link in it leads elsewhere.

    Args:
        folder: The folder, which is made later if it is not there.
        option: How the user gave the path, such as `"--out"`.
        levels: Folders below it in which links are looked for, that many levels deep; None for all.

    Returns:
        The path.

    Raises:
        ConfigError: It is empty or a file, it cannot be written to, or a link in it leads out.
    """
    folder = Path(_usable(folder, option))
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{option} {shown_path(folder)} is a file: give the path of a folder.")
    check_writable(folder.absolute(), f"{option} {shown_path(folder)}")
    check_links(folder, option=option, levels=levels)
    return folder


def check_writable(folder: Path, said: str) -> None:
    """Try to write to a folder, or to the one in which it would be made; nothing is left there.

    Args:
        folder: The folder.
        said: The beginning of the error: the option and its path.

    Raises:
        ConfigError: It cannot be written to.
    """
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigError(f"{said} cannot be written: {shown_path(place)} is not a folder.")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ConfigError(
            f"{said} cannot be written: {shown_path(place)}: {error.strerror}. Give another path."
        ) from error


def check_links(folder: Path, *, option: str, levels: int | None = None) -> None:
    """Check that what is written into a folder stays in it.

    Args:
        folder: The folder; one that is not there has no links.
        option: As for `check_output_folder`.
        levels: As for `check_output_folder`.

    Raises:
        ConfigError: A symbolic link in it leads out of it.
    """
    root = os.path.realpath(folder)
    for link in _links(root, levels):
        if not is_inside(link, root):
            raise ConfigError(
                f"{option} {shown_path(folder)}: {shown_path(link)} is a link to "
                f"{shown_path(os.path.realpath(link))}, outside of the folder, which would be "
                "written to. Remove the link, or give the folder that it leads to."
            )


def is_inside(path: Path | str, folder: Path | str) -> bool:
    """Whether a path, with all links followed, is a folder or below it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _links(folder: str, levels: int | None) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # absent or unreadable: then nothing is written there either
        return
    for entry in entries:
        if entry.is_symlink():
            yield entry.path
        elif levels != 0 and entry.is_dir(follow_symlinks=False):
            yield from _links(entry.path, None if levels is None else levels - 1)


def _usable(path: Path | str, option: str) -> str:
    """A path as text, after a check that a file can have it.

    Raises:
        ConfigError: It is empty, or no file can have it.
    """
    text = os.fspath(path)
    if not text.strip():
        raise ConfigError(f"{option} needs a path; it is empty.")
    if "\0" in text:
        raise ConfigError(f"{option} {shown_path(text)} has a character that no path can have.")
    for part in Path(text).parts:
        if len(_encoded(part)) > MAX_NAME_BYTES:
            raise ConfigError(
                f"{option} {shown_path(text)}: a name in it has {len(_encoded(part)):,} bytes; "
                f"{MAX_NAME_BYTES} are possible."
            )
    return text


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
