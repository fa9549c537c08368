"""Skipping of unreadable images, up to a limit, and a report of them."""

import logging
from collections.abc import Iterable
from typing import Any

from torch.utils.data import Dataset

from vision.errors import ImageError, listed_lines
from vision.wording import counted

logger = logging.getLogger(__name__)

BAD = "bad_images"


class SkippingSamples(Dataset[Any]):
    """A dataset that replaces an unreadable sample by the next readable one.

    The replacement lists the errors of the samples that it replaces under `bad_images`.

    Args:
        dataset: Makes a sample from an index; raises `ImageError` for a bad image.
        maximum: Largest number of bad images that one sample may replace.
    """

    def __init__(self, dataset: Dataset[Any], *, maximum: int) -> None:
        self.dataset = dataset
        self.maximum = maximum

    def __getitem__(self, index: int) -> Any:
        """The sample of an index, or of the nearest readable one after it."""
        errors: list[str] = []
        while True:
            try:
                sample = self.dataset[(index + len(errors)) % len(self)]
            except ImageError as error:
                errors.append(str(error))
                BadImages(self.maximum).add(errors)
                if len(errors) == len(self):
                    raise
            else:
                return {**sample, BAD: errors} if errors else sample

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]


class BadImages:
    """The bad images of a run, and their limit.

    Args:
        maximum: Largest number of different bad images to skip; 0 stops at the first.

    Attributes:
        messages: The error of each, in the order in which they came.
    """

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.messages: list[str] = []

    def add(self, messages: Iterable[str]) -> None:
        """Add the errors of a batch; the same image counts once.

        Raises:
            ImageError: There are more than the limit.
        """
        for message in messages:
            if message not in self.messages:
                self.messages.append(message)
        if len(self.messages) > self.maximum:
            raise ImageError(
                f"{counted(len(self.messages), 'images')} cannot be read, more than "
                f"--data.skip_bad_images {self.maximum}:\n"
                f"{listed_lines(self.messages)}\nFix or delete them, or raise the limit."
            )

    def report(self) -> None:
        """Warn of all of them."""
        if self.messages:
            logger.warning(
                "skipped %d images that cannot be read:\n%s",
                len(self.messages),
                "\n".join(f"  {message}" for message in self.messages),
            )
