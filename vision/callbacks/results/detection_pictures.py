"""Pictures of detections: the best, the worst and random validation images."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.examples import Scored, choose_images
from vision.callbacks.results.part_of_set import results_folder
from vision.contracts.detection import DetectionPrediction
from vision.decoration import Decoration
from vision.draw.detection import DetectionExample, draw_detections, draw_examples
from vision.draw.figure import save_png
from vision.files import replace_file
from vision.metrics.coco.metric import PackedPrediction, coco_results
from vision.metrics.detection_f1 import detection_f1

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class DetectionPictures(BestValidation):
    """Draws validation images, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random images, in a row each; `best_0.png` and
    so on have one each. Images are sorted by the F1 of `vision.metrics.detection_f1`; of equal ones
    those with more objects come first, and those without any are never the best or the worst. The
    random images are the same every time.

    The validation set must have `index` and `example(i)`, as `vision.data`'s have, and the task an
    `evaluator`; with others nothing is drawn.

    Args:
        folder: Where the files are written.
        examples: Number of images of each kind.
        threshold: Lowest score of a detection that is drawn, in [0, 1].
    """

    def __init__(self, folder: Path | str, *, examples: int = 4, threshold: float = 0.3) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.examples = examples
        self.threshold = threshold
        self._guard = Decoration(f"the pictures in {self.folder}")

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process."""
        evaluator: Any = getattr(pl_module, "evaluator", None)
        dataset: Any = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
        if evaluator is None or not hasattr(dataset, "example"):
            return
        # A collective call: every process makes it, and the first one gets all.
        found: Mapping[int, PackedPrediction] = evaluator.gather()
        if not trainer.is_global_zero or not found:
            return
        with self._guard:
            self._draw(dataset, found, results_folder(trainer, self.folder))

    def _draw(self, dataset: Any, found: Mapping[int, PackedPrediction], folder: Path) -> None:
        index = dataset.index
        chosen = choose_images(list(score_images(index, found)), self.examples)
        drawn: list[DetectionExample] = []
        for kind, images in chosen.items():
            for number, image in enumerate(images):
                original, target = dataset.example(image.place)
                image_id = int(index.image_ids[image.place])
                title = f"{kind} {number} · F1 {image.score:.2f} · image {image_id}"
                prediction = unpack_found(found[image_id], self.threshold)
                drawn.append(DetectionExample(title, original, prediction, target))
                self._save(drawn[-1], index.class_names, folder / f"{kind}_{number}.png")
        if drawn:
            columns = max(len(images) for images in chosen.values())
            figure = draw_examples(
                drawn, index.class_names, columns=columns, threshold=self.threshold
            )
            save_png(figure, folder / FILE_NAME)
            logger.info("Examples of the detections are drawn in %s.", folder)

    def _save(self, example: DetectionExample, class_names: Sequence[str], file: Path) -> None:
        from PIL import Image

        picture = draw_detections(
            example.image,
            example.prediction,
            example.target,
            class_names=class_names,
            threshold=self.threshold,
        )
        pixels = Image.fromarray(picture.permute(1, 2, 0).numpy())
        replace_file(file, pixels.save)


def score_images(index: Any, found: Mapping[int, PackedPrediction]) -> Iterator[Scored]:
    """Score the images of a dataset for which there are predictions.

    Args:
        index: A `vision.data.index.detection.DetectionIndex`, or an object with `image_ids` and
            `objects(i)`.
        found: Predictions by image id.
    """
    for place, image_id in enumerate(index.image_ids.tolist()):
        if image_id not in found:
            continue
        one, objects = found[image_id], index.objects(place)
        f1 = detection_f1(
            torch.tensor(one.boxes),
            torch.tensor(one.labels),
            torch.tensor(one.scores),
            true_boxes=torch.tensor(objects.boxes),
            true_labels=torch.tensor(objects.labels),
            crowd=torch.tensor(objects.crowd),
        )
        yield Scored(place, f1, len(objects.boxes))


def unpack_found(found: PackedPrediction, min_score: float) -> DetectionPrediction:
    """The detections of one image at or above a score, as tensors.

    Args:
        found: Detections as the evaluator keeps them.
        min_score: Minimum score.

    Returns:
        With `masks` if they were kept.
    """
    kept = torch.from_numpy(found.scores >= min_score)
    prediction: DetectionPrediction = {
        "boxes": torch.tensor(found.boxes)[kept],
        "labels": torch.tensor(found.labels).long()[kept],
        "scores": torch.tensor(found.scores)[kept],
    }
    if found.size is not None:
        prediction["masks"] = _decode(found, kept)
    return prediction


def _decode(found: PackedPrediction, kept: Tensor) -> Tensor:
    from pycocotools import mask as coco_mask

    # Ids do not matter here: any numbering with an entry for each label works.
    numbers = np.arange(int(found.labels.max(initial=0)) + 1)
    runs = [result["segmentation"] for result in coco_results({0: found}, numbers)]
    chosen = [run for run, keep in zip(runs, kept.tolist(), strict=True) if keep]
    assert found.size is not None, "masks are decoded where they were kept"
    if not chosen:
        return torch.zeros(0, *found.size, dtype=torch.bool)
    masks = coco_mask.decode(chosen)  # (H, W, D)
    return torch.from_numpy(np.ascontiguousarray(masks.transpose(2, 0, 1))).bool()
