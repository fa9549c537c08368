"""Subjects of volumes as sources of predictions: folders, lists of files, single files."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.data.files.finding import walk_folders
from vision.data.formats.subjects import (
    LABEL_NAMES,
    StoredSubject,
    common_name,
    ending_of,
    find_subject,
    names_of,
    read_subject,
)
from vision.documents.json_writing import spelt
from vision.errors import ConfigError, DataError, ImageError
from vision.ops.dicom import is_dicom
from vision.ops.nifti import SUFFIXES, is_nifti, nifti_stem, read_header
from vision.predict.sources import Sources
from vision.reading import user_path

# A folder or a file of a subject, or its files.
Given = str | tuple[str, ...]


@dataclass(frozen=True)
class UnreadSubject:
    """A subject of a source, not read yet.

    Attributes:
        index: Its number in the source, from 0.
        given: Its folder or its file, or its files.
        modalities: Name of each modality.
    """

    index: int
    given: Given
    modalities: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its folder, or its first file."""
        return self.given if isinstance(self.given, str) else self.given[0]

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.path

    def read(self) -> StoredSubject:
        """Read its volumes.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        try:
            return read_subject(find_subject(self.given, self.modalities), self.modalities)
        except DataError as error:
            raise ImageError(str(error)) from error


class VolumeSources(Sources):
    """Subjects in NIfTI files, or in series of DICOM files.

    A subject is a folder with a file per modality or with the slices of a series, files that a list
    or a tuple holds (in the order of their names, or of the list where these have no modality), or
    a file with all of them. A folder may hold many subjects, in sub-folders or side by side; files
    of labels are left out, and DICOM files beside NIfTI files.

    Args:
        modalities: Name of each modality, in the order of the channels.
    """

    unit = "subjects"
    expected = (
        "the folder of a subject or of a series of DICOM files, a list with its files, a NIfTI "
        "file of all its modalities, or a folder of subjects"
    )

    def __init__(self, modalities: Sequence[str]) -> None:
        self.modalities = tuple(modalities)

    def listed(self, source: Any) -> Iterator[UnreadSubject]:
        """The subjects, numbered; their files are looked for when they are read."""
        for index, given in enumerate(self._expand(source)):
            yield UnreadSubject(index, given, self.modalities)

    def named(self, source: str | os.PathLike[str] | Sequence[str]) -> Mapping[str, Given]:
        """The subjects by their paths, without suffixes, below the folder given or a common one.

        Raises:
            DataError: There is none, or two have one name.
        """
        if isinstance(source, str | os.PathLike):
            path = user_path(source)
            if not path.exists() and not glob.has_magic(os.fspath(source)):
                raise DataError(
                    f"there is no '{source}' (looked at {path.absolute()}): give {self.expected}."
                )
        found = {given: _place(given) for given in self._expand(source)}
        root = os.path.commonpath([place.parent for place in found.values()])
        if isinstance(source, str | os.PathLike) and user_path(source).is_dir():
            given = os.path.abspath(user_path(source))
            root = root if given in map(str, found.values()) else given
        names: dict[str, Given] = {}
        for one, place in found.items():
            name = spelt(place.relative_to(root).as_posix())
            if names.setdefault(name, one) != one:
                raise DataError(
                    f"{_shown(names[name])} and {_shown(one)} are both the subject '{name}': "
                    "rename one."
                )
        return names

    def stem(self, name: str) -> str:
        """The name: it has no suffix, and may have dots."""
        return name

    def may_be_one(self, source: Any) -> bool:
        """Whether it is not a folder of several subjects."""
        if isinstance(source, str | os.PathLike) and user_path(source).is_dir():
            return len(self._in_folder(user_path(source))) == 1
        return True

    def _expand(self, source: Any) -> Iterator[Given]:
        if isinstance(source, str | os.PathLike):
            yield from self._of_path(source)
        elif isinstance(source, list | tuple) and self._is_one(source):
            yield tuple(os.fspath(path) for path in source)
        elif isinstance(source, Iterable) and not isinstance(source, Mapping | bytes):
            for one in source:
                if not isinstance(one, str | os.PathLike | list | tuple):
                    raise ConfigError(self._refusal(one))
                yield from self._expand(one)
        else:
            raise ConfigError(self._refusal(source))

    def _refusal(self, source: Any) -> str:
        return f"a {type(source).__name__} holds no volumes: give {self.expected}."

    def _is_one(self, files: list[Any] | tuple[Any, ...]) -> bool:
        """Whether files are those of one subject; those of a tuple are."""
        if not files or not all(map(_is_file, files)):
            return False
        if isinstance(files, tuple):
            return True
        if len(self.modalities) < 2 or len(files) != len(self.modalities):
            return False
        if any(self._modality_of(file) for file in files):
            return True
        try:
            return len(read_header(files[0]).shape) == 3
        except DataError:
            return True

    def _of_path(self, source: str | os.PathLike[str]) -> list[Given]:
        path = user_path(source)
        if path.is_dir():
            return self._in_folder(path)
        if path.exists() or not glob.has_magic(os.fspath(source)):
            return [str(path)]
        found = sorted(glob.glob(str(path)))
        matches = [one for one in found if is_nifti(one) or os.path.isdir(one)]
        if not matches:
            raise DataError(
                f"no NIfTI file and no folder matches '{source}' (looked from {Path.cwd()})."
            )
        return [given for one in matches for given in self._of_path(one)]

    def _in_folder(self, folder: Path) -> list[Given]:
        """The subjects in a folder, and in its sub-folders."""
        found: list[Given] = []
        others: Counter[str] = Counter()
        for place, entries in sorted(walk_folders(folder), key=lambda walked: walked[0]):
            files = sorted(entry.path for entry in entries if is_nifti(entry.name))
            names = (entry.name for entry in entries if not is_nifti(entry.name))
            others.update(os.path.splitext(name)[1].lower() for name in names)
            subjects = self._side_by_side(place, files)
            if not subjects and any(is_dicom(entry.path) for entry in entries):
                subjects = [place]
            found += subjects
        if not found:
            seen = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
            raise DataError(
                f"there are no volumes in '{folder.resolve()}'{f' (but {seen})' if seen else ''}. "
                f"Files that count end in {' or '.join(SUFFIXES)}, or are slices of DICOM."
            )
        return found

    def _side_by_side(self, place: str, files: Sequence[str]) -> list[Given]:
        """The subjects of the files in one folder."""
        images = [file for file in files if ending_of(file) not in LABEL_NAMES]
        groups: dict[str, list[str]] = {}
        for file in images:
            if self._modality_of(file):
                beginning = nifti_stem(file)[: -len(ending_of(file))]
                groups.setdefault(beginning, []).append(file)
        if not groups:  # each has all modalities
            return list(images)
        return [place] if len(groups) == 1 else [tuple(group) for group in groups.values()]

    def _modality_of(self, file: str | os.PathLike[str]) -> str | None:
        """The modality that the name of a file ends in."""
        ending = ending_of(os.fspath(file))
        return next((one for one in self.modalities if ending in names_of(one)), None)


def _is_file(source: Any) -> bool:
    """Whether a source is a path of a NIfTI file by its name."""
    return isinstance(source, str | os.PathLike) and is_nifti(source)


def _place(given: Given) -> Path:
    """Where a subject is, without the suffix of a file."""
    first = given if isinstance(given, str) else given[0]
    path = Path(os.path.abspath(first))
    if isinstance(given, tuple):
        return path.with_name(common_name(given))
    return path.with_name(nifti_stem(path)) if is_nifti(path) and not path.is_dir() else path


def _shown(given: Given) -> str:
    return f"'{given if isinstance(given, str) else given[0]}'"
