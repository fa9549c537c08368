"""The base of image datasets that are read split by split: indices, stages and scans."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

from torch.utils.data import Dataset

from vision.data.base.images import ImageData, ImageLoading
from vision.data.check.problems import SplitSummary
from vision.data.check.same_images import ImageSource
from vision.errors import DataError
from vision.keywords import Unpack

Split = Literal["train", "val", "test", "predict"]


class SplitIndex(Protocol):
    """The images of a split, and their targets if there are any."""

    @property
    def images(self) -> Sequence[str]:
        """Path of each image."""

    @property
    def has_targets(self) -> bool:
        """Whether there are targets."""


Index = TypeVar("Index", bound=SplitIndex)


def require_targets(index: SplitIndex, what: str) -> None:
    """Raise an error if the images of a split have no targets.

    Args:
        index: The images.
        what: What their targets are called, such as "labels".

    Raises:
        DataError: They have none; the message has the first image.
    """
    if not index.has_targets:
        images = index.images
        where = f", such as '{images[0]}'," if len(images) else ""
        raise DataError(
            f"the {len(images):,} images{where} have no {what}: they can be predicted, but neither "
            "trained on nor evaluated."
        )


class SplitData(ImageData, Generic[Index]):
    """An image dataset whose files of a split are found when it is first used.

    Then a few of its targets are read, too, so that wrong ones are an error before the first step.

    Args:
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Attributes:
        train_transform: Augments a training image and its targets.
        eval_transform: Prepares an image for evaluation and prediction.

    Raises:
        ConfigError: An option is out of its range.
    """

    train_transform: Any
    eval_transform: Any
    # The expected layout of the dataset's files; ends the errors.
    expected = ""

    def __init__(self, *, batch_size: int = 2, **loading: Unpack[ImageLoading]) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self._indices: dict[Split, Index] = {}
        self._scanned: set[Split] = set()

    @abstractmethod
    def read_index(self, split: Split) -> Index:
        """Find the files of a split; called once for each.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """

    @abstractmethod
    def make_samples(self, index: Index, transform: Any, *, targets: bool = True) -> Dataset[Any]:
        """The samples of a split, with or without targets.

        Raises:
            DataError: There are no targets.
        """

    @abstractmethod
    def scan(self, split: Split) -> None:
        """Read a few targets of a split, and log what they are.

        Raises:
            DataError: They do not fit.
        """

    @property
    def test_split(self) -> Split:
        """The split that is tested; the validation set where a dataset has no other."""
        return "val"

    @property
    def predict_split(self) -> Split:
        """The split to predict; by default the one that is tested."""
        return self.test_split

    def index(self, split: Split) -> Index:
        """The files of a split, found when it is first asked for.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """
        if split not in self._indices:
            self._indices[split] = self.read_index(split)
        return self._indices[split]

    def setup(self, stage: str) -> None:
        """Find the files of a stage and make its datasets.

        Raises:
            DataError: Files are absent or not in the expected layout, or a target does not fit.
        """
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset = self._scanned_samples("train", self.train_transform)
        if stage in ("fit", "validate") and self.val_dataset is None:
            self.val_dataset = self._scanned_samples("val", self.eval_transform)
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._scanned_samples(self.test_split, self.eval_transform)
        if stage == "predict" and self.predict_dataset is None:
            index = self.index(self.predict_split)
            self.predict_dataset = self.make_samples(index, self.eval_transform, targets=False)

    def image_sources(self) -> Iterator[ImageSource]:
        """The files of every split that was read and has targets."""
        for split, index in self._indices.items():
            if index.has_targets:
                yield ImageSource(split, index.images)

    def summary(self) -> dict[str, SplitSummary]:
        """Number of images in the splits that were read."""
        return {
            split: {"images": len(index.images)}
            for split, index in self._indices.items()
            if split != "predict"
        }

    def _scanned_samples(self, split: Split, transform: Any) -> Dataset[Any]:
        samples = self.make_samples(self.index(split), transform)
        if split not in self._scanned:
            self.scan(split)
            self._scanned.add(split)
        return samples
