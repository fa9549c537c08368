"""The base of the datamodules for depth and surface normals."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from torch.utils.data import Dataset

from vision.data.base.dense_samples import DenseSamples
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.splits import Split, SplitData
from vision.data.check.dense_problems import MapFacts, read_some, unique_images
from vision.data.formats.dense_files import DenseIndex
from vision.data.loading.collate_dense import collate_dense
from vision.data.transforms.dense import DenseEvalTransform, DenseTrainTransform, DenseTransform
from vision.data.transforms.dense_options import DenseAugment
from vision.keywords import Unpack

DEFAULT_AUGMENT = DenseAugment()


class DenseLoading(ImageBatches, total=False):
    """Keywords that datasets with their own default augmentation pass on to `DenseData`."""

    short_side: int | None
    long_side: int | None
    antialias: bool


class DenseOptions(DenseLoading, total=False):
    """Keywords that other datasets pass on to `DenseData`."""

    augment: DenseAugment


class DenseData(SplitData[DenseIndex]):
    """A dataset of images with a depth or a normal for each pixel.

    A subclass lists the images and reads their files. When a split is first used, a few of them are
    read: what they hold is logged, and what does not fit is an error before the first step.

    Args:
        augment: Options of the augmentation of training images.
        short_side: Length of the short side in pixels after the resize of evaluation. None,
            together with `long_side`, evaluates images in the size of their files.
        long_side: Maximum length of the long side in pixels after that resize.
        antialias: Whether images are antialiased where they shrink, in training and evaluation.
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    collate = staticmethod(collate_dense)

    def __init__(
        self,
        *,
        augment: DenseAugment = DEFAULT_AUGMENT,
        short_side: int | None = None,
        long_side: int | None = None,
        antialias: bool = True,
        batch_size: int = 8,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.train_transform = DenseTrainTransform(augment, antialias=antialias)
        self.eval_transform = DenseEvalTransform(
            short_side=short_side, long_side=long_side, antialias=antialias
        )

    @abstractmethod
    def facts(self) -> MapFacts:
        """What to note of the maps of a split, and to compare with what is expected."""

    def make_samples(
        self, index: DenseIndex, transform: DenseTransform, *, targets: bool = True
    ) -> DenseSamples:
        """The samples of a split, with or without depth or normals.

        Raises:
            DataError: There are none.
        """
        return DenseSamples(index, transform, targets=targets)

    def scan(self, split: Split) -> None:
        """Read a few maps of a split, and log what they hold.

        Raises:
            DataError: They do not fit.
        """
        skip = self.bad_images.maximum > 0
        read_some(self.index(split), self.facts(), split, skip=skip)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images and maps of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        return unique_images(indices, self.facts)
