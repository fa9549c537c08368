"""Names of image files in annotation files: below the folder of the images, on every system."""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from vision.errors import DataError, shown


def file_name_of(record: Mapping[str, Any]) -> str:
    """Name of an image's file below the folder of the images; empty if its entry has none.

    Args:
        record: Its entry, with `file_name`, or as in LVIS with `coco_url`.
    """
    name, url = record.get("file_name"), record.get("coco_url")
    if isinstance(name, str) and name:
        return with_slashes(name)
    if isinstance(url, str) and url.count("/") >= 2:
        return "/".join(url.split("/")[-2:])
    return ""


def with_slashes(path: str) -> str:
    """A path in which back-slashes, as Windows writes them, separate folders."""
    return path.replace("\\", "/") if "\\" in path else path


def name_fault(name: str, record: Mapping[str, Any]) -> str | None:
    """What is wrong with the name of an image's file; None if it lies below the folder.

    Args:
        name: What `file_name_of` gives.
        record: The entry, for the message.
    """
    if not name:
        given, url = shown(record.get("file_name")), shown(record.get("coco_url"))
        return f"'file_name' is {given} and 'coco_url' {url}, expected one of them as text"
    if "\0" in name:
        return f"'file_name' is {shown(name)}, which has a NUL"
    if leads_out(name):
        return (
            f"'file_name' is {shown(name)}, which leads out of the folder of the images; expected "
            "a path below it"
        )
    return None


def leads_out(name: str) -> bool:
    """Whether a path with slashes is absolute, or leads above the folder that it begins at."""
    if name.startswith("/") or name[1:3] == ":/":
        return True
    return ".." in name and posixpath.normpath(name).split("/")[0] == ".."


def require_within(names: Iterable[str], where: str) -> None:
    """Raise an error unless all names of images in a list lie in their folder.

    Args:
        names: The names.
        where: What messages call the list.

    Raises:
        DataError: A name is absolute, or leads above the folder.
    """
    outside = next((name for name in names if leads_out(with_slashes(name))), None)
    if outside is not None:
        raise DataError(
            f"{where} has {shown(outside)}, which leads out of the folder of the images; expected "
            "names of images in it."
        )
