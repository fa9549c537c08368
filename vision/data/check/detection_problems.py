"""All problems of a detection dataset at once, and a summary of it."""

from collections.abc import Iterable, Iterator

import numpy as np
from torch.utils.data import Dataset

from vision.data.check.problems import Checkable, SplitSummary, setup_problems
from vision.data.index.detection import DetectionIndex
from vision.data.transforms.detection import decode_annotated
from vision.errors import ImageError


class AnnotatedImages(Dataset[None]):
    """Images to decode and to compare with the size in their annotations.

    Args:
        index: The dataset.
        images: int64 `(n,)`, numbers in the index of the images to decode.
    """

    def __init__(self, index: DetectionIndex, images: np.ndarray) -> None:
        self.index = index
        self.images = images

    def __getitem__(self, place: int) -> None:
        """Decode an image, whole.

        Raises:
            ImageError: It cannot be decoded, or has another size than its annotations state.
        """
        image = int(self.images[place])
        height, width = self.index.sizes[image].tolist()
        try:
            decode_annotated(self.index.read(image), (height, width), strict=True)
        except ImageError as error:
            raise ImageError(f"image id {self.index.image_ids[image]}: {error}") from error

    def __len__(self) -> int:
        return len(self.images)


def unique_images(indices: Iterable[DetectionIndex]) -> Iterator[AnnotatedImages]:
    """The images of some indices, each once."""
    seen: set[str] = set()
    for index in indices:
        own = []
        for image in range(len(index)):
            path = str(index.path(image))
            if path not in seen:
                seen.add(path)
                own.append(image)
        yield AnnotatedImages(index, np.array(own, dtype=np.int64))


def problems_of_layout(data: Checkable) -> Iterator[str]:
    """Problems that stop `setup`, except those reported for single annotations."""
    problems = list(setup_problems(data))
    if problems:
        single = list(data.annotation_problems())
        problems = [text for text in problems if not any(_tells(text, part) for part in single)]
    yield from problems


def _tells(text: str, problem: str) -> bool:
    """Whether a message that ends a run contains a problem, with or without its file name."""
    own = problem.partition(": ")[2]
    return problem in text or (bool(own) and own in text)


def summarise_index(index: DetectionIndex, dropped: dict[str, int]) -> SplitSummary:
    """Summarise a split.

    Args:
        index: The split, whole.
        dropped: Number of objects that are left out of it, by reason.
    """
    counts = np.bincount(index.labels, minlength=len(index.class_names)).tolist()
    return {
        "images": len(index),
        "classes": dict(zip(index.class_names, counts, strict=True)),
        "objects": len(index.boxes),
        "crowd_regions": int(index.crowd.sum()),
        "empty_images": int((np.diff(index.starts) == 0).sum()),
        "dropped": {reason: count for reason, count in dropped.items() if count},
    }
