"""Prediction of semantic segmentation: a class for each pixel."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.data.loading.collate_segmentation import collate_segmentation
from vision.data.transforms.segmentation import SegmentationEvalTransform
from vision.draw.segmentation import class_palette, overlay_mask
from vision.ops.label_images import write_labels
from vision.ops.masks import masks_to_boxes
from vision.predict.dense_samples import dense_sample
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import (
    Result,
    category_of,
    encode_mask,
    import_optional,
    name_of,
    to_picture,
)

if TYPE_CHECKING:
    from PIL.Image import Image

MASKS = "masks"


@dataclass(kw_only=True, eq=False, repr=False)
class SegmentationResult(Result):
    """The class of each pixel of an image.

    Attributes:
        mask: int64 `(H, W)` class index, in the size of the original image.
        palette: uint8 `(K, 3)` RGB colour of each class.
    """

    mask: Tensor
    palette: np.ndarray

    @property
    def labels(self) -> list[int]:
        """The classes that are in the image, ascending."""
        return self.mask.unique().tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def shares(self) -> dict[str, float]:
        """The share of the pixels of each class in the image, by name, largest first."""
        counts = torch.bincount(self.mask.flatten())
        present = sorted(self.labels, key=lambda label: (-int(counts[label]), label))
        return {
            name_of(self.names, label): int(counts[label]) / self.mask.numel() for label in present
        }

    def plot(self, *, opacity: float = 0.55) -> "Image":
        """Draw the image tinted with the colours of the classes.

        Args:
            opacity: Opacity of the colours, in [0, 1].
        """
        return to_picture(overlay_mask(self.image, self.mask, self.palette, opacity=opacity))

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `classes`: those in the image, ascending.

        Each has `label`, `name`, `share` of the pixels and, with masks, `segmentation`
        `{"size": [H, W], "counts": str}`.
        """
        classes = []
        for label in self.labels:
            mask = self.mask == label
            share = int(mask.sum()) / mask.numel()
            one = {"label": label, "name": name_of(self.names, label), "share": share}
            if masks:
                one["segmentation"] = encode_mask(mask)
            classes.append(one)
        return {**self._head(), "classes": classes}

    def to_coco(
        self, image_id: int | None = None, category_ids: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """A result per class in the image, with its `segmentation`, as in COCO-Stuff."""
        number = self.index if image_id is None else image_id
        return [
            {
                "image_id": number,
                "category_id": category_of(one["label"], category_ids),
                "segmentation": one["segmentation"],
            }
            for one in self.to_dict()["classes"]
        ]

    def to_supervision(self) -> Any:
        """`supervision.Detections`: a mask per class in the image, with its bounding box."""
        supervision = import_optional("supervision", extra="supervision")
        labels = self.labels
        masks = torch.stack([self.mask == label for label in labels])
        names = [name_of(self.names, label) for label in labels]
        return supervision.Detections(
            xyxy=masks_to_boxes(masks).numpy(),
            mask=masks.numpy(),
            class_id=np.array(labels, dtype=np.int64),
            data={"class_name": np.array(names, dtype=str)},
        )

    def labels_found(self) -> list[str]:
        """The classes in the image, once each."""
        return list(self.shares())

    def _summary(self) -> str:
        shares = list(self.shares().items())
        more = f" and {len(shares) - 3} more" if len(shares) > 3 else ""
        return ", ".join(f"{share:.0%} {name}" for name, share in shares[:3]) + more


class SegmentationPredictor(Predictor):
    """Predicts classes of pixels; the task runs images of different sizes separately."""

    collate = staticmethod(collate_segmentation)
    beside = (MASKS,)
    tiled = True

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, SegmentationEvalTransform)
        own = model.description["palette"] or model.task.palette
        count = max(len(self.names), 1)
        self.palette = class_palette(count) if own is None else np.array(own, np.uint8)

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The resized image."""
        return _sample(self.transform, image, path)

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> SegmentationResult:
        """The class of each pixel of an image."""
        return SegmentationResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            # Cut off the rows and columns that extended a thin image.
            mask=prediction["mask"][: seen.image.shape[1], : seen.image.shape[2]],
            palette=self.palette,
        )

    def predict_tiled(self, seen: Seen, options: PredictOptions) -> SegmentationResult:
        """The classes of an image at full size, by sliding windows."""
        # A second view of the same modules: the model's own settings stay as they are.
        task: Any = copy.copy(self.model.task)
        task.inference = replace(
            task.inference,
            mode="slide",
            window=options.tile_size,
            stride=options.tile_stride,
            windows_per_batch=options.batch_size,
        )
        unscaled = SegmentationEvalTransform(short_side=None, long_side=None)
        sample = _sample(unscaled, seen.image, seen.path)
        return self.result(seen, self.run([sample], options, task)[0], options)

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the mask as PNG in the colours of the classes; the line names the file."""
        assert isinstance(result, SegmentationResult), "of the same kind"
        file = folder / MASKS / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        labels = result.mask.to(torch.uint8).numpy()
        write_labels(file, labels, palette=self.palette[:IGNORED])
        line = result.to_dict(masks=False)
        return {**line, "mask": file.relative_to(folder).as_posix()}


def _sample(
    transform: SegmentationEvalTransform, image: Tensor, path: str | None
) -> dict[str, Any]:
    return dense_sample(lambda one: transform.change(one, None)[0], image, path or "")
