"""Clouds of points as sources of predictions: files, folders, patterns, clouds in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vision.data.formats.cloud_values import FULL
from vision.data.formats.clouds import READERS, read_cloud
from vision.data.formats.point_labels import LABELS
from vision.data.transforms.clouds import Cloud
from vision.errors import DataError, ImageError
from vision.predict.file_sources import FileSources

Given = str | Cloud


@dataclass(frozen=True)
class UnreadCloud:
    """A cloud of a source, not read yet.

    Attributes:
        index: Its number in the source, from 0.
        given: Its file, or the cloud.
        full: As in `vision.data.formats.clouds.read_cloud`.
    """

    index: int
    given: Given
    full: float = FULL

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
            return read_cloud(self.given, full=self.full)
        except DataError as error:
            raise ImageError(str(error)) from error


class PointSources(FileSources):
    """Clouds in PLY, npy, npz and LAS files, or in memory.

    Of folders and patterns the files of labels, `NAME.labels.npy`, are left out.

    Args:
        full: As in `vision.data.formats.clouds.read_cloud`.
    """

    unit = "clouds"
    suffixes = tuple(READERS)
    expected = (
        f"a file of points ({', '.join(READERS)}), a folder or a pattern of such files, a Cloud, or"
        " a list of these"
    )

    def __init__(self, full: float = FULL) -> None:
        self.full = full

    def in_memory(self, source: Any) -> bool:
        """Whether it is a `Cloud`."""
        return isinstance(source, Cloud)

    def unread(self, index: int, given: Any) -> UnreadCloud:
        """A cloud that is read later."""
        return UnreadCloud(index, given, self.full)

    def _fitting(self, files: Iterable[str]) -> list[str]:
        return [file for file in super()._fitting(files) if not file.endswith(LABELS)]
