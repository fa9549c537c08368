"""Samples of a panoptic dataset."""

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.panoptic import PanopticSample
from vision.contracts.segments import SegmentInfo
from vision.data.base.splits import require_targets
from vision.data.index.panoptic import PanopticIndex
from vision.data.transforms.geometry import Size
from vision.data.transforms.panoptic import (
    DecodedSegments,
    PanopticTransform,
    SegmentSource,
    TransformedSegments,
)
from vision.data.transforms.segment_map import SegmentMap, segment_infos
from vision.data.transforms.segmentation import decode_masked


class PanopticSamples(Dataset[PanopticSample]):
    """Images with their segments.

    Args:
        index: The images and segments, which reads their bytes.
        transform: Makes samples of images and segments.
        things: bool `(K,)`, which classes are things.
        targets: Whether samples have a `mask` and `segments`.

    Attributes:
        paths: Path of each image.

    Raises:
        DataError: `targets` is true, but the split has no segments.
    """

    def __init__(
        self,
        index: PanopticIndex,
        transform: PanopticTransform,
        things: np.ndarray,
        *,
        targets: bool = True,
    ) -> None:
        if targets:
            require_targets(index, "segments")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.things = things
        self.targets = targets

    def __getitem__(self, image: int) -> PanopticSample:
        """The sample of an image, by its number in the index.

        Raises:
            ImageError: A file is absent or broken, or the two differ in size.
            DataError: The listed segments are not those of the pixels.
        """
        result = self.transform.draw(image, SegmentSource(len(self), self._decode, self.things))
        path = str(self.paths[result.place])
        return make_sample(result, path, self.transform.canvas, self.things)

    def example(self, image: int) -> tuple[torch.Tensor, torch.Tensor, list[SegmentInfo]]:
        """An image as it is in its file, and its segments, for pictures.

        Args:
            image: Its number in the index.

        Returns:
            uint8 `(3, H, W)` RGB, int32 `(H, W)` segment id or `VOID`, and the segments.

        Raises:
            ImageError: A file is absent or broken, or the two differ in size.
            DataError: There are no segments, or they are not those of the pixels.
        """
        ids, segments, name = self.index.segments(image)
        pixels = decode_masked(self.index.image(image), ids, name)
        return pixels, torch.from_numpy(ids), segment_infos(segments, self.things)

    def __len__(self) -> int:
        return len(self.index)

    def _decode(self, image: int) -> DecodedSegments:
        encoded = self.index.image(image)
        if not self.targets:
            return DecodedSegments(decode_masked(encoded, None, ""), None)
        ids, segments, name = self.index.segments(image)
        return DecodedSegments(decode_masked(encoded, ids, name), SegmentMap(ids, segments))


def make_sample(
    result: TransformedSegments, path: str, canvas: Size | None, things: np.ndarray
) -> PanopticSample:
    """The sample of a transformed image.

    Args:
        result: The image, with its segments, or without them to be predicted.
        path: Where the image comes from.
        canvas: Height and width in pixels that it is padded to; None for no padding.
        things: bool `(K,)`, which classes are things.
    """
    sample: PanopticSample = {
        "image": result.image,
        "original_size": torch.tensor(result.original_size),
        "path": path,
    }
    if canvas is not None:
        sample["canvas"] = torch.tensor(canvas)
    if result.segmented is not None:
        ids, segments = result.segmented
        sample["mask"] = torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int32))
        sample["segments"] = segment_infos(segments, things)
    return sample
