"""Predict a stream of images in constant memory."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from vision.errors import ImageError, listed_lines
from vision.options import check_number
from vision.predict.images import read_ahead
from vision.predict.options import PredictOptions
from vision.predict.predictor import Predictor, Seen
from vision.predict.results import Result
from vision.predict.sources import Unread
from vision.wording import counted
from vision.workers import default_threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadImage:
    """An image that was skipped.

    Attributes:
        index: Its number in the source.
        path: Its file; None for one in memory.
        message: Its error.
    """

    index: int
    path: str | None
    message: str


class Predictions(Iterator[Result]):
    """An iterator over the results for the images of a source, computed on demand.

    Threads read and resize the images of the next batch while the model runs on one. No more than
    two batches of images are in memory; with tiles, no more than two images.

    Args:
        predictor: The predictor.
        source: As the predictor's `sources` take it.
        options: Options of prediction.
        num_workers: Number of threads; 0 reads without any, None chooses by the CPU cores.
        skip_bad_images: Whether to skip images that cannot be read: True for any number, an integer
            for at most so many.

    Attributes:
        bad_images: Images skipped so far.

    Raises:
        ConfigError: An option is out of range.
    """

    def __init__(
        self,
        predictor: Predictor,
        source: Any,
        options: PredictOptions,
        *,
        num_workers: int | None = None,
        skip_bad_images: bool | int = False,
    ) -> None:
        if num_workers is not None:
            check_number("num_workers", num_workers, minimum=0, unit="threads")
        if not isinstance(skip_bad_images, bool):
            check_number("skip_bad_images", skip_bad_images, minimum=0, unit="images")
        predictor.check(options)
        self.bad_images: list[BadImage] = []
        self._predictor = predictor.for_options(options)
        self._options = options
        self._max_bad = None if skip_bad_images is True else int(skip_bad_images)
        self._results = self._predict(
            source, default_threads() if num_workers is None else num_workers
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        return next(self._results)

    def close(self) -> None:
        """Stop reading ahead; there are no further results."""
        self._results.close()  # type: ignore[attr-defined]

    def _predict(self, source: Any, workers: int) -> Iterator[Result]:
        # An image that is cut into tiles fills batches by itself.
        alone = self._options.tile is not None or self._predictor.one_by_one
        size = 1 if alone else self._options.batch_size
        unread = self._predictor.sources.listed(source)
        images = read_ahead(unread, self._read, workers=workers, ahead=size)
        batch: list[Seen] = []
        for seen in images:
            if isinstance(seen, BadImage):
                self._leave_out(seen)
                continue
            batch.append(seen)
            if len(batch) == size:
                yield from self._run(batch)
                batch = []
        if batch:
            yield from self._run(batch)

    def _read(self, unread: Unread) -> Seen | BadImage:
        sample = None
        try:
            image = unread.read()
            if not self._options.is_cut(image):
                sample = self._predictor.prepare(image, unread.path, unread.index)
        except ImageError as error:
            named = unread.path is None or unread.path in str(error)
            message = str(error) if named else f"{unread.path}: {error}"
            if unread.path is None:
                message = f"{unread.name}: {error}"
            return BadImage(unread.index, unread.path, message)
        return Seen(unread.index, unread.path, image, sample)

    def _leave_out(self, bad: BadImage) -> None:
        self.bad_images.append(bad)
        if self._max_bad is not None and len(self.bad_images) > self._max_bad:
            if self._max_bad == 0:
                raise ImageError(f"{bad.message} skip_bad_images=True skips such images.")
            raise ImageError(
                f"{counted(len(self.bad_images), 'images')} cannot be read, more than "
                f"skip_bad_images={self._max_bad}:\n"
                f"{listed_lines([bad.message for bad in self.bad_images])}"
            )
        logger.warning("skipped: %s", bad.message)

    def _run(self, batch: list[Seen]) -> Iterator[Result]:
        whole = [seen for seen in batch if seen.sample is not None]
        samples = [seen.sample for seen in whole if seen.sample is not None]
        predictions = iter(self._predictor.run(samples, self._options))
        for seen in batch:
            if seen.sample is None:
                yield self._predictor.predict_tiled(seen, self._options)
            else:
                yield self._predictor.result(seen, next(predictions), self._options)
