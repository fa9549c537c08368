"""Sources of points: files of some suffixes, folders and patterns of them, or values in memory."""

import glob
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from vision.data.files.finding import walk_folders
from vision.documents.json_writing import spelt
from vision.errors import ConfigError, DataError, listed
from vision.predict.sources import Sources, Unread
from vision.reading import user_path


class FileSources(Sources):
    """A sort of input with the points of one item in a file.

    Attributes:
        suffixes: Of the files, in lower case.
    """

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def in_memory(self, source: Any) -> bool:
        """Whether a source is one item in memory."""

    @abstractmethod
    def unread(self, index: int, given: Any) -> Unread:
        """An item that is read later.

        Args:
            index: Its number in the source, from 0.
            given: Its file, or an item in memory.
        """

    def listed(self, source: Any) -> Iterator[Unread]:
        """The items, numbered; files are read later."""
        for index, given in enumerate(self._expand(source)):
            yield self.unread(index, given)

    def named(self, source: str | os.PathLike[str] | Sequence[str]) -> Mapping[str, str]:
        """The files, by their paths below the folder given, or a common one.

        Raises:
            DataError: There is none.
        """
        whole: Path | None = None
        if isinstance(source, str | os.PathLike):
            path = user_path(source)
            if not path.exists() and not glob.has_magic(os.fspath(source)):
                raise DataError(
                    f"there is no '{source}' (looked at {path.absolute()}): give {self.expected}."
                )
            files = self._of_path(source)
            whole = Path(os.path.abspath(path)) if path.is_dir() else None
        else:
            files = [os.fspath(one) for one in source]
        places = [Path(os.path.abspath(file)) for file in files]
        root = whole or Path(os.path.commonpath([place.parent for place in places]))
        names = [spelt(place.relative_to(root).as_posix()) for place in places]
        return dict(zip(names, files, strict=True))

    def stem(self, name: str) -> str:
        """A path without its suffix."""
        return PurePath(name).with_suffix("").as_posix()

    def may_be_one(self, source: Any) -> bool:
        """Whether it is not a folder."""
        return not (isinstance(source, str | os.PathLike) and user_path(source).is_dir())

    def _expand(self, source: Any) -> Iterator[Any]:
        if isinstance(source, str | os.PathLike):
            yield from self._of_path(source)
        elif self.in_memory(source):
            yield source
        elif isinstance(source, list | tuple | Iterator):
            for one in source:
                yield from self._expand(one)
        else:
            raise ConfigError(f"a {type(source).__name__} holds no points: give {self.expected}.")

    def _of_path(self, source: str | os.PathLike[str]) -> list[str]:
        path = user_path(source)
        if path.is_dir():
            return self._in_folder(path)
        if path.exists() or not glob.has_magic(os.fspath(source)):
            return [str(path)]
        found = self._fitting(sorted(glob.glob(str(path), recursive=True)))
        if not found:
            raise DataError(
                f"no file of points matches '{source}' (looked from {Path.cwd()}). Files that "
                f"count end in {listed(self.suffixes)}."
            )
        return found

    def _fitting(self, files: Iterable[str]) -> list[str]:
        return [file for file in files if os.path.splitext(file)[1].lower() in self.suffixes]

    def _in_folder(self, folder: Path) -> list[str]:
        """The files in a folder, and in its sub-folders, by their paths."""
        files = sorted(entry.path for _, entries in walk_folders(folder) for entry in entries)
        found = self._fitting(files)
        if not found:
            others = Counter(os.path.splitext(file)[1].lower() or "no suffix" for file in files)
            seen = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
            raise DataError(
                f"there are no points in '{folder.resolve()}'"
                f"{f' (but {seen})' if seen else ''}. Files that count end in "
                f"{listed(self.suffixes)}."
            )
        return found
