"""Average precision of the masks of things, with the segments of panoptic annotations as truth."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.annotations.run_lengths import mask_areas
from vision.contracts.detection import DetectionPrediction
from vision.contracts.segments import SegmentInfo
from vision.metrics.coco.metric import CocoEvaluator, CocoResult, encode_masks, merge_shares

# A file of COCO has no category 0.
FIRST_CATEGORY = 1


class InstanceEvaluator:
    """Collects instances and their annotations of an epoch, and evaluates them once.

    An image that comes twice counts once, as in `CocoEvaluator`.

    Args:
        num_classes: Number K of classes, those of stuff among them.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._found = CocoEvaluator(masks=True, boxes=False)
        self._truth: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return len(self._truth)

    def reset(self) -> None:
        """Forget all images."""
        self._found.reset()
        self._truth = {}

    def update(
        self,
        image_id: int,
        found: DetectionPrediction,
        ids: Tensor,
        segments: Sequence[SegmentInfo],
    ) -> None:
        """Take in an image.

        Args:
            image_id: Its number in its dataset.
            found: Instances, with masks.
            ids: int `(H, W)` segment ids of the annotations.
            segments: Their segments; those of stuff are left out.
        """
        if image_id in self._truth:
            return
        self._found.update([image_id], [found])
        things = [info for info in segments if info["isthing"]]
        numbers = torch.tensor([info["id"] for info in things], dtype=ids.dtype, device=ids.device)
        self._truth[image_id] = {
            "size": [ids.shape[0], ids.shape[1]],
            "counts": encode_masks(ids == numbers[:, None, None]),
            "labels": [info["category_id"] for info in things],
            "crowds": [info.get("iscrowd", False) for info in things],
        }

    def compute(self, class_names: Sequence[str] | None, things: Sequence[int]) -> CocoResult:
        """Evaluate the images of all processes; every process must call it.

        Args:
            class_names: K names; None for the numbers.
            things: Indices of the classes of countable objects.

        Returns:
            The result, the same on every process.
        """
        names = class_names or [str(k) for k in range(self.num_classes)]
        truth = merge_shares(self._truth)
        contents = {
            "images": [
                {"id": image, "height": one["size"][0], "width": one["size"][1]}
                for image, one in truth.items()
            ],
            "annotations": [
                {"id": number, **annotation}
                for number, annotation in enumerate(_annotations(truth), start=1)
            ],
            "categories": [{"id": k + FIRST_CATEGORY, "name": names[k]} for k in things],
        }
        numbers = range(FIRST_CATEGORY, self.num_classes + FIRST_CATEGORY)
        return self._found.compute(contents, category_ids=numbers)


def _annotations(truth: Mapping[int, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The annotations of all images in COCO's form, without their ids."""
    from pycocotools import mask as mask_tools

    for image, one in truth.items():
        masks = [{"size": one["size"], "counts": counts} for counts in one["counts"]]
        areas, boxes = mask_areas(masks), mask_tools.toBbox(masks).tolist()
        columns = (masks, areas, boxes, one["labels"], one["crowds"])
        for mask, area, box, label, crowd in zip(*columns, strict=True):
            yield {
                "image_id": image,
                "category_id": label + FIRST_CATEGORY,
                "segmentation": {**mask, "counts": mask["counts"].decode()},
                "area": area,
                "bbox": box,
                "iscrowd": int(crowd),
            }
