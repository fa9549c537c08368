"""Prediction of detection and instance segmentation: boxes, and masks if the model has them."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.contracts.detection import PADDED_TO, DetectionPrediction
from vision.data.loading.collate_detection import collate_detection
from vision.data.transforms.detection import DetectionEvalTransform
from vision.draw.detection import draw_detections
from vision.metrics.coco.files import write_json, write_results
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import (
    ObjectsResult,
    category_of,
    encode_mask,
    import_optional,
    name_of,
    to_picture,
)
from vision.predict.tiles import (
    FoundObjects,
    Tile,
    cut_tiles,
    find_in_tile,
    join_tiles,
    paste_crops,
)

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = "images.json"


@dataclass(kw_only=True, eq=False, repr=False)
class DetectionResult(ObjectsResult):
    """The M objects of an image, highest score first.

    Attributes:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        masks: bool `(M, H, W)` in the size of the original image; None without masks.
    """

    boxes: Tensor
    masks: Tensor | None

    def plot(self, *, threshold: float = 0.0) -> "Image":
        """Draw the image with boxes, names, scores and masks.

        Args:
            threshold: Minimum score of drawn objects.
        """
        prediction: DetectionPrediction = {
            "boxes": self.boxes,
            "labels": self.labels,
            "scores": self.scores,
        }
        if self.masks is not None:
            prediction["masks"] = self.masks
        return to_picture(
            draw_detections(self.image, prediction, class_names=self.names, threshold=threshold)
        )

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `objects`.

        Each object has `label`, `name`, `score`, `box` `[x1, y1, x2, y2]` and, if it has a mask,
        `segmentation` `{"size": [H, W], "counts": str}`.
        """
        objects = []
        columns = (
            self.labels.tolist(),
            self.label_names,
            self.scores.tolist(),
            self.boxes.tolist(),
        )
        for i, (label, name, score, box) in enumerate(zip(*columns, strict=True)):
            one = {"label": label, "name": name, "score": score, "box": box}
            if masks and self.masks is not None:
                one["segmentation"] = encode_mask(self.masks[i])
            objects.append(one)
        return {**self._head(), "objects": objects}

    def to_coco(
        self, image_id: int | None = None, category_ids: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results with `bbox` `[x, y, width, height]`, `score` and, with masks, `segmentation`."""
        number = self.index if image_id is None else image_id
        return coco_objects(self.to_dict()["objects"], number, category_ids)

    def to_supervision(self) -> Any:
        """`supervision.Detections`, with `class_name` in its `data`."""
        supervision = import_optional("supervision", extra="supervision")
        return supervision.Detections(
            xyxy=self.boxes.numpy(),
            mask=None if self.masks is None else self.masks.numpy(),
            confidence=self.scores.numpy(),
            class_id=self.labels.numpy().astype(np.int64),
            data={"class_name": np.array(self.label_names, dtype=str)},
        )


def coco_objects(
    objects: Iterable[Mapping[str, Any]], image_id: int, category_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Convert the `objects` of `DetectionResult.to_dict` to results in COCO's format."""
    numbers = None if category_ids is None else list(category_ids)
    results = []
    for one in objects:
        x1, y1, x2, y2 = one["box"]
        result = {
            "image_id": image_id,
            "category_id": category_of(one["label"], numbers),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": one["score"],
        }
        if "segmentation" in one:
            result["segmentation"] = one["segmentation"]
        results.append(result)
    return results


def write_coco(
    path: Path,
    lines: Iterable[Mapping[str, Any]],
    ids: Mapping[str, int],
    category_ids: Sequence[int],
    *,
    names: tuple[str, ...],
    convert: Callable[..., list[dict[str, Any]]] = coco_objects,
) -> None:
    """Write results in COCO's format, and a file that explains their ids.

    `images.json` is a file of COCO without annotations: `images` and `categories`.

    Args:
        path: The file of results.
        lines: As in `Predictor.write_table`, with `objects`.
        ids: COCO id of each image, by name.
        category_ids: COCO id of each class, by label.
        names: Name of each class, by label.
        convert: Makes results of the objects of an image, as `coco_objects` does.
    """
    images = []

    def results() -> Iterator[dict[str, Any]]:
        for line in lines:
            number, (height, width) = ids[line["image"]], line["size"]
            size = {"height": height, "width": width}
            images.append({"id": number, "file_name": line["image"], **size})
            yield from convert(line["objects"], number, category_ids)

    write_results(results(), path)
    categories = [
        {"id": number, "name": name_of(names, label)} for label, number in enumerate(category_ids)
    ]
    write_json({"images": images, "categories": categories}, path.with_name(IMAGES))


class DetectionPredictor(Predictor):
    """Predicts objects.

    Within a batch, images that have the same size after padding are run together. Others are run
    apart, so that the result for an image does not depend on what else is in the batch.
    """

    collate = staticmethod(collate_detection)
    table = "predictions.json"
    beside = (IMAGES,)
    tiled = True

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, DetectionEvalTransform)

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The resized image."""
        changed, geometry = self.transform.change(image)
        return {
            "image": changed,
            "original_size": torch.tensor(geometry.image_size),
            "image_id": torch.tensor(index),
        }

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """The padded size."""
        return tuple(-(-side // PADDED_TO) for side in sample["image"].shape[1:])

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> DetectionResult:
        """The objects of an image with scores at or above the threshold."""
        kept = prediction["scores"] >= options.threshold
        masks = prediction.get("masks")
        return DetectionResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            boxes=prediction["boxes"][kept],
            labels=prediction["labels"][kept],
            scores=prediction["scores"][kept],
            masks=None if masks is None else masks[kept],
        )

    def predict_tiled(self, seen: Seen, options: PredictOptions) -> DetectionResult:
        """The objects of an image that is cut into tiles."""
        tiles = cut_tiles(seen.image, options)
        found: list[FoundObjects] = []
        for start in range(0, len(tiles), options.batch_size):
            part = tiles[start : start + options.batch_size]
            samples = [self._tile_sample(seen.image, tile) for tile in part]
            for tile, sample, one in zip(part, samples, self.run(samples, options), strict=True):
                height, width = sample["original_size"].tolist()
                size = (height, width)
                found.append(find_in_tile(one, tile, size, options.threshold))
        joined = join_tiles(found, tiles)
        masks = None
        if joined.masks is not None:
            masks = paste_crops(joined.masks, (seen.image.shape[1], seen.image.shape[2]))
        return DetectionResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            boxes=joined.boxes,
            labels=joined.labels,
            scores=joined.scores,
            masks=masks,
        )

    def _tile_sample(self, image: Tensor, tile: Tile) -> dict[str, Any]:
        pixels = image[:, tile.top : tile.bottom, tile.left : tile.right]
        sample = self.prepare(pixels, None, 0)
        if tile.whole:
            # Predicted in the shrunken image: full-size masks of a huge one would fill the memory.
            sample["original_size"] = torch.tensor(sample["image"].shape[1:])
        return sample

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write results in COCO's format, and a file that explains their ids: see `write_coco`."""
        write_coco(path, lines, ids, category_ids, names=self.names)
