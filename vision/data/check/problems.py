"""All problems of a dataset at once: every image is read, and nothing stops at the first one."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, runtime_checkable

import numpy as np
from torch.utils.data import DataLoader, Dataset

from vision.data.check.same_images import ImageSource, same_images
from vision.data.files.noted_problems import NotedProblems
from vision.data.images.read import decode_image, read_file
from vision.errors import ConfigError, DataError, VisionError

STAGES = ("fit", "validate", "test", "predict")
SPLITS = ("train", "val", "test", "predict")
READ_AT_ONCE = 16

Progress = Callable[[int, int], None]


class Checkable(Protocol):
    """The part of a datamodule (`vision.data.DataModule`) that its check needs."""

    num_workers: int

    def setup(self, stage: str) -> None:
        """Make the datasets of a stage."""

    def layout_problems(self) -> Iterator[str]:
        """Problems that stop `setup`."""

    def class_problems(self) -> Iterator[str]:
        """Problems of the classes, where there are any."""

    def annotation_problems(self) -> Iterator[str]:
        """Problems of labels, boxes and masks."""

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """Datasets that together read each sample once."""

    def image_sources(self) -> Iterator[ImageSource]:
        """The files of each split, to find duplicates."""


@runtime_checkable
class Collecting(Protocol):
    """A dataset to check that makes remarks on all of its samples together."""

    def collect(self, found: Sequence[Any]) -> None:
        """Collect the results of some samples; called in the main process."""

    def remarks(self) -> list[str]:
        """The remarks after all samples."""


class SplitSummary(TypedDict):
    """The contents of a split.

    Keys:
        images: Number of images, or of other samples.
        classes: Class name -> number of images of it, or of objects in a detection dataset; absent
            where these are not counted.
        objects: Number of objects, crowd regions included.
        crowd_regions: Number of objects that are crowd regions, or ignored like them.
        empty_images: Number of images without objects.
        clipped_boxes: Number of boxes that were clipped to their images.
        dropped: Number of objects that are left out, by reason.
    """

    images: int
    classes: NotRequired[dict[str, int]]
    objects: NotRequired[int]
    crowd_regions: NotRequired[int]
    empty_images: NotRequired[int]
    clipped_boxes: NotRequired[int]
    dropped: NotRequired[dict[str, int]]


class ImageFiles(Dataset[None]):
    """Image files to decode, only to see whether that works.

    Args:
        paths: The files.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths

    def __getitem__(self, index: int) -> None:
        """Decode an image, whole.

        Raises:
            ImageError: It cannot be decoded.
        """
        decode_image(read_file(self.paths[index]), strict=True)

    def __len__(self) -> int:
        return len(self.paths)


def find_problems(
    data: Checkable, progress: Progress | None = None, remarks: list[str] | None = None
) -> Iterator[str]:
    """List all problems of a dataset, each once.

    Args:
        data: The datamodule.
        progress: Called with the number of images read and their total.
        remarks: Collects remarks that are not problems.

    Raises:
        ConfigError: An option of the datamodule is wrong.
    """
    seen: set[int] = set()
    remarks = [] if remarks is None else remarks
    for problems in (
        data.layout_problems(),
        data.class_problems(),
        data.annotation_problems(),
        _shared_images(data),
        _image_problems(
            data, progress or (lambda done, total: None), [] if remarks is None else remarks
        ),
    ):
        for problem in problems:
            if hash(problem) not in seen:
                seen.add(hash(problem))
                yield problem


def _shared_images(data: Checkable) -> Iterator[str]:
    yield from same_images([*data.image_sources()])  # of the splits that are set up by now


def setup_problems(data: Checkable) -> Iterator[str]:
    """Set up every stage, and yield the problems of those that fail.

    Raises:
        ConfigError: An option is wrong; options that only test or predict need are not checked.
    """
    for stage in STAGES:
        try:
            data.setup(stage)
        except ConfigError:
            if stage in ("fit", "validate"):
                raise
        except DataError as error:
            yield str(error)


def collected_problems(data: Checkable, noted: NotedProblems) -> Iterator[str]:
    """Yield the problems that are noted while every stage is set up, and those that stop it.

    Raises:
        ConfigError: As for `setup_problems`.
    """
    with noted.collected() as found:
        others = [*setup_problems(data)]
    yield from found
    yield from others


def made_datasets(data: Any) -> dict[str, Dataset[Any]]:
    """The datasets that are set up, by split; one shared by several is listed under the first."""
    made: dict[str, Dataset[Any]] = {}
    for split in SPLITS:
        dataset = getattr(data, f"{split}_dataset")
        if dataset is not None and not any(dataset is other for other in made.values()):
            made[split] = dataset
    return made


def all_samples(data: Any) -> Iterator[Dataset[Any]]:
    """The datasets that are set up; each file comes once."""
    seen: set[str] = set()
    for dataset in made_datasets(data).values():
        paths = getattr(dataset, "paths", None)
        if paths is None:
            yield dataset
        else:
            yield ImageFiles(_new(paths, seen))


def labelled_images(data: Any) -> Iterator[ImageSource]:
    """The files, with their classes, of the datasets that are set up and read files.

    A dataset under two names, as a test set often is, comes once.
    """
    seen: list[list[str]] = []
    for split, dataset in made_datasets(data).items():
        paths, labels = (getattr(dataset, name, None) for name in ("paths", "labels"))
        if paths is None or split == "predict" or [*paths] in seen:
            continue
        seen.append([*paths])
        known = getattr(data, "class_names", ())
        names = _class_names(labels, known) if labels is not None and known else ()
        yield ImageSource(split, paths, names)


def summarise(data: Any) -> dict[str, SplitSummary]:
    """Summarise the splits that are set up, each set of images once."""
    found: dict[str, SplitSummary] = {}
    for split, dataset in made_datasets(data).items():
        labels = getattr(dataset, "labels", None)
        if split == "predict" and found:
            continue  # mostly the images of another split, without their labels
        found[split] = {"images": len(dataset)}  # type: ignore[arg-type]
        if labels is not None and hasattr(data, "class_names"):
            found[split]["classes"] = _counts(np.asarray(labels), data.class_names)
    return found


def _counts(labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
    if labels.ndim == 2:  # which classes each image has
        counts = labels.sum(axis=0)
    else:
        counts = np.bincount(labels, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def _class_names(labels: np.ndarray, known: Sequence[str]) -> list[str]:
    if np.ndim(labels) == 2:
        return [
            "; ".join(known[i] for i in np.flatnonzero(row).tolist()) or "none" for row in labels
        ]
    return [known[label] for label in labels]


def _new(paths: Iterable[str], seen: set[str]) -> list[str]:
    new = [path for path in dict.fromkeys(map(os.fspath, paths)) if path not in seen]
    seen.update(new)
    return new


class _Checked(Dataset[tuple[str | None, Any]]):
    """The problem of each sample of a dataset, None if it has none, and the sample.

    The sample is kept only for a dataset that collects it (`Collecting`).
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset
        self.collects = isinstance(dataset, Collecting)

    def __getitem__(self, index: int) -> tuple[str | None, Any]:
        try:
            found = self.dataset[index]
        except VisionError as error:
            return str(error), None
        return None, found if self.collects else None

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]


def _image_problems(data: Checkable, progress: Progress, remarks: list[str]) -> Iterator[str]:
    datasets = [dataset for dataset in map(_Checked, data.samples_to_check()) if len(dataset)]
    done, total = 0, sum(map(len, datasets))
    for checked in datasets:
        # For few images, starting processes would take longer than reading.
        workers = min(data.num_workers, len(checked) // READ_AT_ONCE)
        loader: DataLoader[tuple[str | None, Any]] = DataLoader(
            checked, batch_size=READ_AT_ONCE, num_workers=workers, collate_fn=list
        )
        for batch in loader:
            yield from (problem for problem, _ in batch if problem)
            if isinstance(checked.dataset, Collecting):
                checked.dataset.collect([found for problem, found in batch if not problem])
            done += len(batch)
            progress(done, total)
        if isinstance(checked.dataset, Collecting):
            remarks += checked.dataset.remarks()
