"""Errors of depth measured over an epoch and over processes."""

import numpy as np
from torch import Tensor

from vision.errors import DataError
from vision.metrics.depth import DepthErrors, measure_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.depth_table import DepthScores
from vision.metrics.processes import gather_shares


class DepthEvaluator:
    """Measures each image of an epoch once; a few numbers per image are kept.

    Args:
        protocol: What counts.
    """

    def __init__(self, protocol: DepthProtocol) -> None:
        self.protocol = protocol
        self.reset()

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return len(self._images)

    def reset(self) -> None:
        """Forget all images."""
        # Index in the dataset or None, name, and errors or None without a valid pixel.
        self._images: list[tuple[int | None, str, DepthErrors | None]] = []
        self._farthest = 0.0

    def update(
        self, predicted: Tensor, target: Tensor, *, where: str = "", index: int | None = None
    ) -> None:
        """Measure one image.

        Args:
            predicted: float `(H, W)`, metres, or any unit if the protocol scales.
            target: float `(H, W)`, metres; 0 is no reading.
            where: Name of the image, for messages and rows.
            index: Its index in the dataset: an image that several processes measure counts once.

        Raises:
            DataError: The sizes differ, the image is smaller than the crop, or the prediction
                cannot be scaled. Nothing of the image is counted.
        """
        if predicted.ndim != 2 or predicted.shape != target.shape:
            raise DataError(
                f"{where}: the prediction has the shape {tuple(predicted.shape)} and the target"
                f" {tuple(target.shape)}; both must have the height and width of the image."
            )
        truth = _array(target)
        try:
            errors = measure_depth(_array(predicted), truth, self.protocol)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        self._images.append((index, where, errors))
        self._farthest = max(self._farthest, float(truth.max(initial=0)))

    def compute(self) -> DepthScores:
        """The result of the images of all processes; every process must call it.

        Returns:
            The result, the same on every process, with images in the order of their names.

        Raises:
            DataError: No image has a valid pixel.
        """
        shares = gather_shares((self._images, self._farthest))
        seen: set[int] = set()
        images: list[tuple[str, DepthErrors]] = []
        skipped = 0
        for index, name, errors in (image for share, _ in shares for image in share):
            if index is not None and index in seen:
                continue
            seen |= set() if index is None else {index}
            if errors is None:
                skipped += 1
            else:
                images.append((name, errors))
        if not images:
            raise DataError(
                f"none of {skipped:,} images has a valid pixel: between"
                f" {self.protocol.min_depth:g} and {self.protocol.max_depth:g} m, in the crop"
                f" '{self.protocol.crop}'. The largest depth is"
                f" {max(farthest for _, farthest in shares):g} m. Check the unit of the depth (the"
                " value of one metre in PNG files), and evaluation.min_depth, max_depth and crop."
            )
        return DepthScores(sorted(images, key=lambda image: image[0]), skipped, self.protocol)


def _array(depth: Tensor) -> np.ndarray:
    return depth.detach().cpu().double().numpy()
