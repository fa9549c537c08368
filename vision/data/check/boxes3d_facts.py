"""What the boxes in space of a split are, and problems of such a dataset."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.contracts.boxes3d import HEIGHT, LENGTH, WIDTH
from vision.data.check.problems import ImageFiles, SplitSummary
from vision.data.check.unique_parts import unique_parts
from vision.data.images.read import decode_image
from vision.data.index.boxes3d import Boxes3DIndex, SceneObjects
from vision.data.transforms.boxes3d_options import LearnedObjects
from vision.data.transforms.boxes3d_targets import fitting_objects, projected_centres
from vision.errors import DataError
from vision.wording import counted

# Of objects of which at least half is seen, this share has its centre in its 2-D box.
MIN_INSIDE = 0.5
# Fewer objects prove nothing.
MIN_OBJECTS = 8
# Truncated objects have their centre outside the image; so has what is beside the camera.
MAX_TRUNCATION, MIN_DEPTH = 0.3, 2.0
# Of the depths, the sizes.
QUANTILES = (0.05, 0.5, 0.95)


def describe_objects(
    index: Boxes3DIndex,
    class_names: Sequence[str],
    trained: np.ndarray,
    rules: LearnedObjects | None = None,
) -> list[str]:
    """What the objects of a split are: a line for each class that occurs.

    Args:
        index: The split.
        class_names: Name of each class.
        trained: bool `(K,)`, which classes are learned.
        rules: Which of their objects are learned; None for a split that nothing is learned from.
    """
    scene = index.scene()
    lines = []
    for label, name in enumerate(class_names):
        own = scene.labels == label
        if not own.any():
            continue
        boxes = scene.boxes3d[own]
        low, middle, high = np.quantile(boxes[:, 2], QUANTILES)
        sizes = np.quantile(boxes[:, [HEIGHT, WIDTH, LENGTH]], QUANTILES, axis=0)
        spans = ", ".join(
            f"{what} {size[1]:.2f} ({size[0]:.2f} to {size[2]:.2f})"
            for what, size in zip(("height", "width", "length"), sizes.T, strict=True)
        )
        text = (
            f"{name}: {counted(int(own.sum()), 'objects')}, depth {middle:.1f} m ({low:.1f} to "
            f"{high:.1f}), {spans} m"
        )
        if rules is not None and trained[label]:
            fitting = int(fitting_objects(scene, rules)[own].sum())
            text += f"; {fitting:,} are within the limits of what is learned"
        lines.append(text)
    return lines


def check_objects(
    index: Boxes3DIndex,
    split: str,
    class_names: Sequence[str],
    trained: np.ndarray,
    rules: LearnedObjects | None,
) -> None:
    """Raise an error if the objects of a split cannot be meant.

    Args:
        index: The split.
        split: Its name.
        class_names: Name of each class.
        trained: bool `(K,)`, which classes are learned.
        rules: Which of their objects are learned; None if that is not known of them alone.

    Raises:
        DataError: There is nothing to learn or to measure, or the cameras do not show the objects
            where their 2-D boxes are.
    """
    scene = index.scene()
    wanted = np.append(trained, False)[scene.labels]
    names = " or ".join(np.array(class_names)[trained].tolist())
    samples = counted(len(index), index.unit)
    if not wanted.any():
        found = [index.object_names[i] for i in np.unique(index.objects.names)]  # type: ignore[union-attr]
        raise DataError(
            f"the {samples} of the {split} split have no {names}, but "
            f"{', '.join(found) or 'no object at all'}: there is nothing to learn or to measure. "
            "Check the labels, and data.trained."
        )
    if (
        rules is not None
        and split == "train"
        and not (wanted & fitting_objects(scene, rules)).any()
    ):
        raise DataError(
            f"no {names} of the train split is within the limits of data.objects "
            f"({_limits(rules)}): there is nothing to learn. Widen them."
        )
    inside, judged = centres_inside(index, scene)
    if judged >= MIN_OBJECTS and inside < MIN_INSIDE * judged:
        raise DataError(
            f"the centres of only {inside:,} of {counted(judged, 'objects')} of the {split} split "
            "lie in their 2-D boxes when the calibrations project them: expected nearly all. "
            f"Calibrations of other {index.unit}, another frame or unit, or images and boxes of "
            "another size are usual reasons."
        )


def centres_inside(index: Boxes3DIndex, scene: SceneObjects) -> tuple[int, int]:
    """Of how many objects the projected centre is in the 2-D box, and of how many it should be."""
    assert index.objects is not None
    image = np.repeat(np.arange(len(index)), np.diff(index.objects.starts))
    judged = (
        (scene.labels >= 0)
        & (scene.boxes3d[:, 2] >= MIN_DEPTH)
        & (scene.truncation <= MAX_TRUNCATION)
        & np.all(scene.boxes[:, 2:] > scene.boxes[:, :2], axis=1)
    )
    cameras = index.cameras[image[judged]]
    centres = projected_centres(scene.boxes3d[judged], cameras)
    boxes = scene.boxes[judged]
    inside = ((centres >= boxes[:, :2]) & (centres <= boxes[:, 2:])).all(axis=1)
    return int(inside.sum()), int(judged.sum())


def _limits(rules: LearnedObjects) -> str:
    low, high = rules.depth
    return (
        f"depth {low:g} to {high:g} m, height of {rules.min_height:g} pixels or more, truncation "
        f"up to {rules.max_truncation:g}, occlusion up to {rules.max_occlusion}"
    )


class CheckedScenes(Dataset[None]):
    """Images to decode, with a note on the objects of them all.

    Args:
        index: The images.
        notes: The remarks.
    """

    def __init__(self, index: Boxes3DIndex, notes: Sequence[str]) -> None:
        self.index = index
        self.notes = notes

    def __getitem__(self, place: int) -> None:
        """Decode an image, whole.

        Raises:
            ImageError: It cannot be decoded.
        """
        decode_image(self.index.image(place), strict=True)

    def collect(self, found: Sequence[Any]) -> None:
        """Nothing is learned from single images."""

    def remarks(self) -> list[str]:
        """A line for each class that occurs."""
        return [*self.notes]

    def __len__(self) -> int:
        return len(self.index)


def unique_scenes(
    indices: Mapping[str, Boxes3DIndex],
    class_names: Sequence[str],
    trained: np.ndarray,
    rules: LearnedObjects,
) -> Iterator[Dataset[Any]]:
    """The images of some splits, each once, with what their objects are.

    Args:
        indices: The splits, by name.
        class_names: Name of each class.
        trained: bool `(K,)`, which classes are learned.
        rules: Which of their objects are learned.
    """
    for split, part in unique_parts(indices):
        if part.has_targets:
            limits = rules if split == "train" else None
            lines = describe_objects(part, class_names, trained, limits)
            yield CheckedScenes(part, [f"{split}: {line}" for line in lines])
        else:
            yield ImageFiles(part.images)


def summarise_scenes(index: Boxes3DIndex, class_names: Sequence[str]) -> SplitSummary:
    """Summarise a split: its images, and its objects by class.

    Args:
        index: The split.
        class_names: Name of each class.
    """
    assert index.objects is not None
    labels = index.labels[index.objects.names]
    own = labels >= 0
    counts = np.bincount(labels[own], minlength=len(class_names)).tolist()
    image = np.repeat(np.arange(len(index)), np.diff(index.objects.starts))
    summary: SplitSummary = {
        "images": len(index),
        "classes": dict(zip(class_names, counts, strict=True)),
        "objects": int(own.sum()),
        "empty_images": len(index) - len(np.unique(image[own])),
    }
    if not own.all():
        summary["dropped"] = {"of other classes": int((~own).sum())}
    return summary
