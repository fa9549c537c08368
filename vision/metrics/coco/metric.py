"""Average precision of a detector over an epoch and over processes, by COCO's rules."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from vision.contracts.detection import DetectionPrediction
from vision.errors import VisionError
from vision.metrics.coco.evaluation import Kind, evaluate_coco
from vision.metrics.coco.table import CocoResult
from vision.metrics.processes import gather_rows

__all__ = ["CocoEvaluator", "CocoResult", "evaluate_coco"]

Share = TypeVar("Share")


class PackedPrediction(NamedTuple):
    """The predictions for one image, in little memory.

    Attributes:
        labels: int32 `(M,)` class index.
        scores: float32 `(M,)`.
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels.
        size: Height and width of the masks in pixels, or None without masks.
        counts: Packed run lengths of all masks, one after the other.
        lengths: int32 `(M,)` number of bytes of each mask in `counts`.
    """

    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    size: tuple[int, int] | None
    counts: bytes
    lengths: np.ndarray


class CocoEvaluator:
    """Collects the predictions of an epoch and evaluates them once.

    An image that comes twice, because a sampler filled up the share of a process, counts once;
    images without predictions count as seen.

    Args:
        masks: Whether masks are kept and evaluated.
        boxes: Whether boxes are evaluated.
    """

    def __init__(self, *, masks: bool, boxes: bool = True) -> None:
        self.masks = masks
        chosen: dict[Kind, bool] = {"bbox": boxes, "segm": masks}
        self.kinds = [kind for kind, wanted in chosen.items() if wanted]
        self._found: dict[int, PackedPrediction] = {}
        self._gathered: dict[int, PackedPrediction] | None = None

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return len(self._found)

    def reset(self) -> None:
        """Forget all images."""
        self._found, self._gathered = {}, None

    def update(
        self, image_ids: Tensor | Sequence[int], predictions: Sequence[DetectionPrediction]
    ) -> None:
        """Take in the predictions for some images.

        Args:
            image_ids: Number of each image in its dataset, int64 `(B,)` or a list.
            predictions: One for each of them, in pixels of the original images.
        """
        ids = image_ids.tolist() if isinstance(image_ids, Tensor) else list(image_ids)
        for image_id, prediction in zip(ids, predictions, strict=True):
            if image_id not in self._found:
                self._found[image_id] = pack_prediction(prediction, masks=self.masks)

    def gather(self) -> dict[int, PackedPrediction]:
        """Bring the images of all processes together; every process must call it.

        After `compute` it returns what that has gathered, without another collective call.

        Returns:
            The predictions by image id, ascending: on the first process all, on others none.
        """
        if self._gathered is None:
            self._gathered = merge_shares(self._found)
        return self._gathered

    def results(self, category_ids: Sequence[int] | np.ndarray | Tensor) -> list[dict[str, Any]]:
        """The predictions gathered last, as COCO's results; on the first process.

        Args:
            category_ids: Number of each class in the dataset, by label.

        Returns:
            `{"image_id", "category_id", "bbox", "score"}` each, with `segmentation` if masks are
            kept, by image and falling score.
        """
        return list(coco_results(self._gathered or {}, category_ids))

    def compute(
        self,
        ground_truth: Mapping[str, Any] | Path | str,
        category_ids: Sequence[int] | np.ndarray | Tensor,
    ) -> CocoResult:
        """Evaluate the images of all processes; every process must call it.

        Args:
            ground_truth: Annotations in COCO's format, or their file; only the first process
                reads it.
            category_ids: Number of each class in the dataset, by label.

        Returns:
            The result, the same on every process.

        Raises:
            DataError: The ground truth cannot be read or does not fit; raised on every process.
        """
        self._gathered = merge_shares(self._found)
        answer: list[Any] = [None]
        if _processes() == 1 or distributed.get_rank() == 0:
            answer = [self._evaluate(ground_truth, category_ids)]
        if _processes() > 1:
            # An error is sent as well: otherwise the other processes would wait for ever.
            distributed.broadcast_object_list(answer, src=0)
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    def evaluate(
        self,
        ground_truth: Mapping[str, Any] | Path | str,
        results: Sequence[Mapping[str, Any]],
        image_ids: Collection[int],
    ) -> CocoResult:
        """Compare results with ground truth by the rules of this evaluator, on one process.

        Args:
            ground_truth: Annotations in COCO's format, or their file.
            results: As `results` gives them.
            image_ids: Images to evaluate.
        """
        return evaluate_coco(
            ground_truth, results, kinds=self.kinds, image_ids=image_ids, check_masks=False
        )

    def _evaluate(
        self,
        ground_truth: Mapping[str, Any] | Path | str,
        category_ids: Sequence[int] | np.ndarray | Tensor,
    ) -> CocoResult | Exception:
        try:
            results, seen = self.results(category_ids), list(self._gathered or ())
            return self.evaluate(ground_truth, results, seen)
        except VisionError as error:
            return error
        except Exception as error:
            if _processes() == 1:
                raise
            return RuntimeError(f"the evaluation failed: {type(error).__name__}: {error}")


def pack_prediction(prediction: DetectionPrediction, *, masks: bool) -> PackedPrediction:
    """Move a prediction to the host, its masks as run lengths.

    Args:
        prediction: For one image; its `masks` are needed if `masks` is true.
        masks: Whether to keep masks.

    Returns:
        The same in little memory.
    """
    size, counts = None, []
    if masks:
        size = (prediction["masks"].shape[-2], prediction["masks"].shape[-1])
        counts = encode_masks(prediction["masks"])
    return PackedPrediction(
        labels=prediction["labels"].to("cpu", torch.int32).numpy(),
        scores=prediction["scores"].to("cpu", torch.float32).numpy(),
        boxes=prediction["boxes"].to("cpu", torch.float32).numpy(),
        size=size,
        counts=b"".join(counts),
        lengths=np.array([len(one) for one in counts], np.int32),
    )


def coco_results(
    found: Mapping[int, PackedPrediction], category_ids: Sequence[int] | np.ndarray | Tensor
) -> Iterator[dict[str, Any]]:
    """Turn predictions into COCO's results, one by one.

    Numbers are float32 values in float64, and the sides of a box differences in float64: written as
    JSON and read again they have the same bits.

    Args:
        found: Predictions by image id.
        category_ids: Number of each class in the dataset, by label.

    Yields:
        Results as in `CocoEvaluator.results`.
    """
    numbers = np.asarray(category_ids)
    for image_id, one in found.items():
        boxes = one.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        ends = np.cumsum(one.lengths).tolist()
        columns = (numbers[one.labels].tolist(), boxes.tolist(), one.scores.tolist())
        for i, (category, box, score) in enumerate(zip(*columns, strict=True)):
            result = {"image_id": image_id, "category_id": category, "bbox": box, "score": score}
            if one.size is not None:
                counts = one.counts[ends[i] - int(one.lengths[i]) : ends[i]].decode()
                result["segmentation"] = {"size": list(one.size), "counts": counts}
            yield result


def merge_shares(found: dict[int, Share]) -> dict[int, Share]:
    """Bring what all processes have of their images together, by one collective call.

    Every process must call it, even without images.

    Args:
        found: What this process has, such as predictions, by image id.

    Returns:
        On the first process all of it by ascending image id, each image once; on others none.
    """
    merged = gather_rows(found)
    return {} if _processes() > 1 and distributed.get_rank() > 0 else merged


def encode_masks(masks: Tensor) -> list[bytes]:
    """Packed run lengths of masks.

    Args:
        masks: bool `(M, H, W)`.
    """
    from pycocotools import mask as mask_tools

    if not len(masks):
        return []
    # pycocotools reads down the columns; on a GPU the transposition is quick, so it comes first.
    columns = masks.bool().view(torch.uint8).transpose(1, 2).contiguous().cpu().numpy()
    return [rle["counts"] for rle in mask_tools.encode(columns.transpose(2, 1, 0))]


def _processes() -> int:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1
