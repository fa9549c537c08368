"""Samples of a detection dataset."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import Dataset

from vision.contracts.detection import DetectionSample, DetectionTarget
from vision.data.index.detection import DetectionIndex
from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.detection import DetectionTransform, TransformedImage, decode_annotated
from vision.data.transforms.geometry import plain_geometry
from vision.data.transforms.objects import MappedObjects, map_objects
from vision.errors import DataError


class DetectionSamples(Dataset[DetectionSample]):
    """Images with their objects, or for prediction with their paths.

    Masks are drawn when a sample is asked for, never kept.

    Args:
        index: The dataset, which reads the bytes of its images.
        transform: Decodes and changes an image and its objects.
        targets: Whether samples have a `target`; if not, they have a `path`.
    """

    def __init__(
        self, index: DetectionIndex, transform: DetectionTransform, *, targets: bool = True
    ) -> None:
        self.index = index
        self.transform = transform
        self.targets = targets

    def __getitem__(self, image: int) -> DetectionSample:
        """The sample of an image, by its number in the index.

        Raises:
            ImageError: The file is absent, broken, or of another size than annotated.
            DataError: The mask of an object has another size than the image.
        """
        if self.targets:
            source = AnnotatedImages(self._open, self.index.partners)
            result = self.transform.draw(image, source)
        else:
            with self._named(image):
                result = self.transform.apply(self._decode(image))
        number, path = int(self.index.image_ids[image]), str(self.index.path(image))
        return make_sample(result, number, path)

    @contextmanager
    def _open(self, image: int) -> Iterator[AnnotatedImage]:
        """An image and its objects; see `AnnotatedImages`."""
        with self._named(image):
            yield self._annotated(image, masks=self.transform.masks)

    @contextmanager
    def _named(self, image: int) -> Iterator[None]:
        """Name an image in errors of its data."""
        try:
            yield
        except DataError as error:
            number = int(self.index.image_ids[image])
            raise type(error)(f"image id {number}: {error}") from error

    def _annotated(self, image: int, *, masks: bool) -> AnnotatedImage:
        objects = self.index.objects(image)
        outlines = None
        if masks and self.index.has_masks:
            outlines = [self.index.segments.get(row) for row in objects.rows]
        return AnnotatedImage(self._decode(image), objects, outlines)

    def _decode(self, image: int) -> torch.Tensor:
        height, width = self.index.sizes[image].tolist()
        return decode_annotated(self.index.read(image), (height, width))

    def example(self, image: int) -> tuple[torch.Tensor, DetectionTarget]:
        """An image as it is in its file, and its objects, for pictures.

        Args:
            image: Its number in the index.

        Returns:
            uint8 `(3, H, W)` RGB and the objects in its pixels, with masks where the dataset has
            them.

        Raises:
            ImageError: The file is absent, broken, or of another size than annotated.
            DataError: The mask of an object has another size than the image.
        """
        pixels, objects, outlines = self._annotated(image, masks=True)
        size = (pixels.shape[1], pixels.shape[2])
        unchanged = plain_geometry(size, short_side=min(size), long_side=max(size))
        mapped = map_objects(objects, outlines, unchanged)
        return pixels, make_target(mapped, int(self.index.image_ids[image]))

    def __len__(self) -> int:
        return len(self.index)


def make_sample(result: TransformedImage, number: int, path: str) -> DetectionSample:
    """The sample of a transformed image.

    Args:
        result: The image, with its objects, or without them to be predicted.
        number: The dataset's own number of the image.
        path: Where the image comes from.
    """
    sample: DetectionSample = {
        "image": result.image,
        "original_size": torch.tensor(result.original_size),
        "image_id": torch.tensor(number),
    }
    if result.objects is None:
        sample["path"] = path
    else:
        sample["target"] = make_target(result.objects, number)
    return sample


def make_target(objects: MappedObjects, number: int) -> DetectionTarget:
    """The target of the objects of an image, which has a number in its dataset."""
    target: DetectionTarget = {
        "boxes": objects.boxes,
        "labels": objects.labels,
        "iscrowd": objects.crowd,
        "area": objects.areas,
        "image_id": torch.tensor(number),
    }
    if objects.masks is not None:
        target["masks"] = objects.masks
    return target
