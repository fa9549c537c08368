"""Clouds of points as sources of predictions: files, folders, patterns, clouds in memory."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from vision.data.files.finding import walk_folders
from vision.data.formats.clouds import READERS, read_cloud
from vision.data.transforms.clouds import Cloud
from vision.documents.json_writing import spelt
from vision.errors import ConfigError, DataError, ImageError, listed
from vision.predict.sources import Sources
from vision.reading import user_path

Given = str | Cloud


@dataclass(frozen=True)
class UnreadCloud:
    """A cloud of a source, not read yet.

    Attributes:
        index: Its number in the source, from 0.
        given: Its file, or the cloud.
    """

    index: int
    given: Given

    @property
    def path(self) -> str | None:
        """Its file; None for one in memory."""
        return self.given if isinstance(self.given, str) else None

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.path or f"cloud {self.index}"

    def read(self) -> Cloud:
        """Read its points.

        Raises:
            ImageError: The file is absent, broken, or has no such points.
        """
        if isinstance(self.given, Cloud):
            return self.given
        try:
            return read_cloud(self.given)
        except DataError as error:
            raise ImageError(str(error)) from error


class PointSources(Sources):
    """Clouds in PLY, npy, npz and LAS files, or in memory."""

    unit = "clouds"
    expected = (
        f"a file of points ({', '.join(READERS)}), a folder or a pattern of such files, a Cloud, or"
        " a list of these"
    )

    def listed(self, source: Any) -> Iterator[UnreadCloud]:
        """The clouds, numbered; files are read later."""
        for index, given in enumerate(self._expand(source)):
            yield UnreadCloud(index, given)

    def named(self, source: str | os.PathLike[str] | Sequence[str]) -> Mapping[str, str]:
        """The files, by their paths below the folder given, or a common one.

        Raises:
            DataError: There is none.
        """
        if isinstance(source, str | os.PathLike):
            path = user_path(source)
            if not path.exists() and not glob.has_magic(os.fspath(source)):
                raise DataError(
                    f"there is no '{source}' (looked at {path.absolute()}): give {self.expected}."
                )
            files = self._of_path(source)
        else:
            files = [os.fspath(one) for one in source]
        places = [Path(os.path.abspath(file)) for file in files]
        root = Path(os.path.commonpath([place.parent for place in places]))
        if isinstance(source, str | os.PathLike) and user_path(source).is_dir():
            root = Path(os.path.abspath(user_path(source)))
        names = [spelt(place.relative_to(root).as_posix()) for place in places]
        return dict(zip(names, files, strict=True))

    def stem(self, name: str) -> str:
        """A path without its suffix."""
        return PurePath(name).with_suffix("").as_posix()

    def may_be_one(self, source: Any) -> bool:
        """Whether it is not a folder."""
        return not (isinstance(source, str | os.PathLike) and user_path(source).is_dir())

    def _expand(self, source: Any) -> Iterator[Given]:
        if isinstance(source, str | os.PathLike):
            yield from self._of_path(source)
        elif isinstance(source, Cloud):
            yield source
        elif isinstance(source, list | tuple | Iterator):
            for one in source:
                yield from self._expand(one)
        else:
            raise ConfigError(
                f"a {type(source).__name__} holds no clouds of points: give {self.expected}."
            )

    def _of_path(self, source: str | os.PathLike[str]) -> list[str]:
        path = user_path(source)
        if path.is_dir():
            return _in_folder(path)
        if path.exists() or not glob.has_magic(os.fspath(source)):
            return [str(path)]
        found = _of_points(sorted(glob.glob(str(path), recursive=True)))
        if not found:
            raise DataError(f"no file of points matches '{source}' (looked from {Path.cwd()}).")
        return found


def _of_points(files: Iterable[str]) -> list[str]:
    return [file for file in files if os.path.splitext(file)[1].lower() in READERS]


def _in_folder(folder: Path) -> list[str]:
    """The files of points in a folder, and in its sub-folders, by their paths."""
    files = sorted(entry.path for _, entries in walk_folders(folder) for entry in entries)
    found = _of_points(files)
    if not found:
        others = Counter(os.path.splitext(file)[1].lower() or "no suffix" for file in files)
        seen = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
        raise DataError(
            f"there are no points in '{folder.resolve()}'{f' (but {seen})' if seen else ''}. Files "
            f"that count end in {listed(READERS)}."
        )
    return found
