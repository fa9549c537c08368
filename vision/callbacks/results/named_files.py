"""Files that are named after images, one each."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from vision.errors import DataError
from vision.files import fit_name


class NamedFiles:
    """The files of images in a folder.

    Args:
        folder: Where they are.
        names: Relative path of the file by path of the image; other images are named after the
            last part of their paths.
    """

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self.folder = folder
        self._names = names
        self._written: dict[str, str] = {}

    def __len__(self) -> int:
        """Number of files."""
        return len(self._written)

    def take(self, path: str) -> Path:
        """The file for an image; its folder is made.

        Args:
            path: Path of the image.

        Raises:
            DataError: It belongs to another image already.
        """
        name = self.name_of(path)
        if self._written.setdefault(name, path) != path:
            raise _collision(self._written[name], path, name)
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def name_of(self, path: str) -> str:
        """Relative path of the file for an image."""
        return self._names.get(path) or f"{PurePath(path).stem}.png"


def name_files(paths: Iterable[str]) -> dict[str, str]:
    """Name a PNG file after each image.

    Args:
        paths: Paths of all images.

    Returns:
        The path of each image's file, by path of the image: relative to the common folder of all
        images, with the suffix replaced. Images that differ only in their suffixes keep them before
        the new one.

    Raises:
        DataError: Two images would have one file.
    """
    whole = {path: PurePath(os.path.abspath(path)) for path in paths}
    if not whole:
        return {}
    root = os.path.commonpath([path.parent for path in whole.values()])
    short = {path: place.relative_to(root) for path, place in whole.items()}
    counts = Counter(place.with_suffix("") for place in short.values())
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for path, place in short.items():
        unique = counts[place.with_suffix("")] == 1
        name = place.with_suffix(".png") if unique else place.with_name(f"{place.name}.png")
        names[path] = fit_name(name.as_posix())
        other = owners.setdefault(names[path], path)
        if whole[other] != whole[path]:
            raise _collision(other, path, names[path])
    return names


def _collision(first: str, second: str, name: str) -> DataError:
    return DataError(
        f"the results of '{first}' and '{second}' would both be written to '{name}': rename one of "
        "the images, or predict them in two runs."
    )
