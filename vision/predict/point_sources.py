"""Clouds of points as sources of predictions: files, folders, patterns, clouds in memory."""

from dataclasses import dataclass
from typing import Any

from vision.data.formats.clouds import READERS, read_cloud
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


class PointSources(FileSources):
    """Clouds in PLY, npy, npz and LAS files, or in memory."""

    unit = "clouds"
    suffixes = tuple(READERS)
    expected = (
        f"a file of points ({', '.join(READERS)}), a folder or a pattern of such files, a Cloud, or"
        " a list of these"
    )

    def in_memory(self, source: Any) -> bool:
        """Whether it is a `Cloud`."""
        return isinstance(source, Cloud)

    def unread(self, index: int, given: Any) -> UnreadCloud:
        """A cloud that is read later."""
        return UnreadCloud(index, given)
