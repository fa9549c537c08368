"""The base of image datasets: batch size, unreadable images, checks."""

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import Dataset

from vision.data.base.datamodule import DataModule, Loading
from vision.data.check.problems import all_samples, labelled_images
from vision.data.check.same_images import ImageSource
from vision.data.loading.bad_images import BAD, BadImages, SkippingSamples
from vision.data.loading.collate import collate_images
from vision.keywords import Unpack
from vision.options import MAX_COUNT, check_number


class ImageLoading(Loading, total=False):
    """Keywords that every dataset of images passes on to `ImageData`."""

    skip_bad_images: int


class ImageBatches(ImageLoading, total=False):
    """The same keywords, with the batch size."""

    batch_size: int


class ImageData(DataModule):
    """A dataset of images.

    Args:
        batch_size: Images per batch and device.
        skip_bad_images: Maximum number of unreadable images to skip before the run fails. In
            training another image replaces it, in evaluation the image is left out. Each process
            counts its own, and the images are listed at the end.
        **loading: Other keywords of `DataModule`.

    Attributes:
        bad_images: The unreadable images that were skipped.

    Raises:
        ConfigError: `batch_size` is below 1, or `num_workers` or `skip_bad_images` is negative.
    """

    unit = "images"
    collate: Callable[[Any], Any] = staticmethod(collate_images)

    def __init__(
        self,
        *,
        batch_size: int = 32,
        skip_bad_images: int = 0,
        **loading: Unpack[Loading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        check_number(
            "skip_bad_images", skip_bad_images, minimum=0, maximum=MAX_COUNT, unit=self.unit
        )
        self.bad_images = BadImages(skip_bad_images)

    def readable(self, dataset: Dataset[Any]) -> Dataset[Any]:
        """The dataset, with unreadable images replaced by others."""
        maximum = self.bad_images.maximum
        return SkippingSamples(dataset, maximum=maximum) if maximum else dataset

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Note the bad images that were skipped in a batch.

        Raises:
            ImageError: There are more than `skip_bad_images`.
        """
        if isinstance(batch, dict) and BAD in batch:
            self.bad_images.add(batch[BAD])
            return {key: value for key, value in batch.items() if key != BAD}
        return batch

    def teardown(self, stage: str) -> None:
        """List the bad images."""
        self.bad_images.report()

    def state_dict(self) -> dict[str, Any]:
        """The place of training within its epoch, and the bad images: part of a checkpoint."""
        return {**super().state_dict(), BAD: list(self.bad_images.messages)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the place in a checkpoint."""
        super().load_state_dict(state_dict)
        self.bad_images.messages = list(state_dict[BAD])

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """Datasets that together decode each image once."""
        return all_samples(self)

    def image_sources(self) -> Iterator[ImageSource]:
        """The image files of each split with their classes, to find duplicates."""
        return labelled_images(self)
