"""Samples of a dataset with boxes in space."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.contracts.detection3d import OTHER, Boxes3DSample, Boxes3DTruth
from vision.data.base.splits import require_targets
from vision.data.images.read import decode_image
from vision.data.index.boxes3d import Boxes3DIndex
from vision.data.transforms.boxes3d import Boxes3DTransform


class Boxes3DExample(NamedTuple):
    """An image as it is in its file, with what is known of it, for pictures.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        camera: float32 `(3, 4)`, the projection to its pixels.
        truth: What is annotated.
    """

    image: Tensor
    camera: Tensor
    truth: Boxes3DTruth


class Boxes3DSamples(Dataset[Boxes3DSample]):
    """Images with their cameras and boxes in space.

    Args:
        index: The images, which reads their bytes.
        transform: Makes inputs, and what is learned of them.
        trained: bool `(K,)`, which classes are learned.
        targets: Whether samples have a `target` or, where the transform makes none, a `truth`.

    Attributes:
        paths: Path of each image.

    Raises:
        DataError: `targets` is true, but objects are not known.
    """

    def __init__(
        self,
        index: Boxes3DIndex,
        transform: Boxes3DTransform,
        trained: np.ndarray,
        *,
        targets: bool = True,
    ) -> None:
        if targets:
            require_targets(index, "labels")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.trained = trained
        self.targets = targets

    def __getitem__(self, place: int) -> Boxes3DSample:
        """The sample of an image, by its number in the index.

        Raises:
            ImageError: The image is absent or broken.
        """
        image = decode_image(self.index.image(place))
        objects = self.index.scene(place) if self.targets else None
        if objects is not None:
            learned = np.append(self.trained, False)[objects.labels]  # `OTHER` is the last place
            objects = objects._replace(labels=np.where(learned, objects.labels, OTHER))
        made = self.transform.change(image, self.index.cameras[place], objects)
        sample: Boxes3DSample = {
            "image": made.image,
            "original_size": torch.tensor(image.shape[1:]),
            "path": self.paths[place],
            "camera": torch.from_numpy(made.camera.astype(np.float32)),
            "camera_size": torch.tensor(made.camera_size),
        }
        if made.target is not None:
            sample["target"] = made.target
        elif self.targets:
            sample["truth"] = self.index.truth(place)
        return sample

    def example(self, place: int) -> Boxes3DExample:
        """An image as it is in its file, by its number in the index, for pictures.

        Raises:
            ImageError: The image is absent or broken.
            DataError: Its objects are not known.
        """
        image = decode_image(self.index.image(place))
        camera = torch.from_numpy(self.index.cameras[place].astype(np.float32))
        return Boxes3DExample(image, camera, self.index.truth(place))

    def __len__(self) -> int:
        return len(self.index)
