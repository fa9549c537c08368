"""Samples of a dataset with a depth or a normal for each pixel."""

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.data.base.splits import require_targets
from vision.data.formats.dense_files import DenseIndex
from vision.data.transforms.dense import DenseTransform

# The maps that samples have, of those in `DenseTargets`.
MAPS = ("depth", "normals")


class DenseSamples(Dataset[dict[str, Any]]):
    """Images with their depth or normals.

    Args:
        index: The images, which it reads.
        transform: Changes an image and what is known of its pixels.
        targets: Whether samples have these.

    Attributes:
        paths: Path or name of each image.

    Raises:
        DataError: `targets` is true, but the split has none.
    """

    def __init__(
        self, index: DenseIndex, transform: DenseTransform, *, targets: bool = True
    ) -> None:
        if targets:
            require_targets(index, "ground truth")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.targets = targets

    def __getitem__(self, image: int) -> dict[str, Any]:
        """The sample of an image, by its number in the index: a `DepthSample` or `NormalsSample`.

        Raises:
            ImageError: The image is absent or broken, or its targets have another size.
            DataError: Its targets are broken or wrong.
        """
        pixels, found = self.index.load(image, targets=self.targets)
        changed, targets = self.transform.change(pixels, found)
        sample: dict[str, Any] = {
            "image": changed,
            "original_size": torch.tensor(pixels.shape[1:]),
            "path": self.paths[image],
        }
        if targets is not None:
            for name in MAPS:
                planes = getattr(targets, name)
                if planes is not None:
                    sample[name] = torch.from_numpy(np.ascontiguousarray(planes))
            if targets.camera is not None:
                sample["camera"] = torch.from_numpy(targets.camera.astype(np.float32))
        if self.transform.canvas is not None:
            sample["canvas"] = self.transform.canvas
        return sample

    def example(self, image: int) -> dict[str, Any]:
        """An image as it is in its file, with what is known of its pixels, for pictures.

        Args:
            image: Its number in the index.

        Returns:
            `image` uint8 `(3, H, W)` RGB, and `depth` float32 `(H, W)` or `normals` `(3, H, W)`.

        Raises:
            ImageError: The image is absent or broken, or its targets have another size.
            DataError: Its targets are absent, broken or wrong.
        """
        pixels, found = self.index.load(image)
        maps = {name: getattr(found, name) for name in MAPS}
        return {"image": pixels} | {
            name: torch.from_numpy(planes) for name, planes in maps.items() if planes is not None
        }

    def __len__(self) -> int:
        return len(self.index)
