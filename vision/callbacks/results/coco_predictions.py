"""Write detections in COCO's format: of `predict`, and of a validation with its metrics."""

import sys
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.errors import ConfigError
from vision.metrics.coco.files import write_categories, write_json, write_results
from vision.metrics.coco.metric import PackedPrediction, coco_results, merge_shares, pack_prediction
from vision.wording import counted

PREDICTIONS = "predictions.json"
METRICS = "metrics.json"
CATEGORIES = "categories.csv"


class CocoPredictions(PredictionWriter):
    """Writes the detections of `predict` in the format of COCO's evaluation server.

    A list of `{"image_id", "category_id", "bbox": [x, y, width, height], "score",
    "segmentation": {"size", "counts"}}`, in pixels of the original images, by image and falling
    score. Until the end, predictions are held as arrays and run lengths.

    Args:
        path: The file to write; its folder is created if absent.
    """

    default_name = "predictions.json"

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path = Path(path)
        self._found: dict[int, PackedPrediction] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Reset, and check for category ids before the work begins.

        Raises:
            ConfigError: The data has no category ids.
        """
        self._found = {}
        _category_ids(trainer)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Add the detections for a batch."""
        ids = evaluated.batch["image_id"].tolist()
        for image_id, one in zip(ids, evaluated.predictions, strict=True):
            self._found[image_id] = pack_prediction(one, masks="masks" in one)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file from the detections of all processes, each image once."""
        found = merge_shares(self._found)
        self._found = {}
        if not trainer.is_global_zero:
            return
        count = write_results(coco_results(found, _category_ids(trainer)), self.path)
        sys.stdout.write(
            f"{counted(count, 'detections')} in {counted(len(found), 'images')} are in "
            f"{self.path}\n"
        )


class DetectionResults(BestValidation):
    """Writes the results of a validation: detections, metrics, and a table of categories.

    Three files: `predictions.json` in COCO's format, `metrics.json` with the twelve numbers per
    kind in the order of pycocotools (`"bbox"`, `"segm"`) and a row per category (`"categories"`),
    and `categories.csv` with the same rows. The task offers `coco_result` and `evaluator`.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
    """

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files, on the first process."""
        result = getattr(pl_module, "coco_result", None)
        if result is None or not trainer.is_global_zero:
            return
        folder = results_folder(trainer, self.folder)
        found: Any = pl_module.evaluator
        write_results(found.results(_category_ids(trainer)), folder / PREDICTIONS)
        write_categories(result.categories(), folder / CATEGORIES)
        rows = {"categories": result.categories()}
        write_json({**result.to_json(), **rows}, folder / METRICS)


def _category_ids(trainer: Trainer) -> Any:
    ids = getattr(getattr(trainer, "datamodule", None), "category_ids", None)
    if ids is None:
        raise ConfigError(
            "the data has no category_ids, which COCO's format needs: use a datamodule for"
            " detection, such as vision.data.COCO."
        )
    return ids
