"""Samples of a segmentation dataset."""

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.data.base.splits import require_targets
from vision.data.classes.label_tables import Table
from vision.data.index.segmentation import SegmentationIndex
from vision.data.loading.collate_segmentation import CanvasSample
from vision.data.transforms.segmentation import SegmentationTransform, decode_masked


class SegmentationSamples(Dataset[CanvasSample]):
    """Images with their masks.

    Args:
        index: The images and masks, which reads their bytes.
        transform: Decodes and changes an image and its mask.
        table: The mapping from values in the mask files to classes.
        targets: Whether samples have a `mask`.

    Attributes:
        paths: Path of each image.

    Raises:
        DataError: `targets` is true, but the split has no masks.
    """

    def __init__(
        self,
        index: SegmentationIndex,
        transform: SegmentationTransform,
        table: Table,
        *,
        targets: bool = True,
    ) -> None:
        if targets:
            require_targets(index, "masks")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.table = table
        self.targets = targets

    def __getitem__(self, image: int) -> CanvasSample:
        """The sample of an image, by its number in the index.

        Raises:
            ImageError: A file is absent or broken, or the two differ in size.
            DataError: The mask has a value that is not expected.
        """
        mask, mask_path = self._mask(image) if self.targets else (None, "")
        encoded = self.index.image(image)
        result = self.transform.decode(encoded, mask, mask_path)
        sample: CanvasSample = {
            "image": result.image,
            "original_size": torch.tensor(result.original_size),
            "path": encoded.name,
        }
        if result.mask is not None:
            sample["mask"] = result.mask
        if self.transform.canvas is not None:
            sample["canvas"] = self.transform.canvas
        return sample

    def example(self, image: int) -> tuple[torch.Tensor, torch.Tensor]:
        """An image as it is in its file, and its mask, for pictures.

        Args:
            image: Its number in the index.

        Returns:
            uint8 `(3, H, W)` RGB, and uint8 `(H, W)` class index or `IGNORED`.

        Raises:
            ImageError: A file is absent or broken, or the two differ in size.
            DataError: There is no mask, or it has a value that is not expected.
        """
        mask, mask_path = self._mask(image)
        pixels = decode_masked(self.index.image(image), mask, mask_path)
        return pixels, torch.from_numpy(mask)

    def __len__(self) -> int:
        return len(self.index)

    def _mask(self, image: int) -> tuple[np.ndarray, str]:
        labels, name = self.index.mask(image)
        return self.table.apply(labels, name), name
