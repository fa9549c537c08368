"""Write the results of a validation of a segmentor: masks, metrics, and a table of classes."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.label_maps import MaskWriter, data_palette
from vision.callbacks.results.overlay_results import OverlayResults
from vision.callbacks.results.part_of_set import results_folder
from vision.draw.segmentation import overlay_mask
from vision.metrics.coco.files import write_categories, write_json

MASKS = "masks"
METRICS = "metrics.json"
CLASSES = "classes.csv"


class SegmentationResults(OverlayResults):
    """Writes the results of a validation: masks, overlays, metrics per class.

    `metrics.json` and `classes.csv` have the numbers: of `validate`, and in `fit` of the best epoch
    so far. `validate` also writes `masks/*.png`, class indices in the colours of the dataset for
    every image, and `overlays/*.png`, some images tinted with them. Files are named as by
    `LabelMaps`. Every process writes the masks of its own images.

    The task returns `{"predictions": [...]}` from its `validation_step` and offers
    `segmentation_result`; results that a task lacks are not written. Overlays need a validation
    set with `example(i)`, as `vision.data`'s have.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
        masks: Whether `validate` writes masks.
        overlays: Number of overlays that it writes, spread evenly over the validation set.
    """

    def __init__(self, folder: Path | str, *, masks: bool = True, overlays: int = 40) -> None:
        super().__init__(folder, files=masks, pictures=overlays)

    def make_writer(
        self, trainer: Trainer, dataset: Any, folder: Path, names: dict[str, str]
    ) -> MaskWriter:
        """Writes masks in the colours of the dataset."""
        palette = data_palette(getattr(trainer, "datamodule", None))
        return MaskWriter(folder / MASKS, names, palette=palette)

    def save(self, writer: MaskWriter, path: str, place: int, prediction: Any) -> None:
        """Write the mask of an image."""
        writer.write(path, prediction["mask"])

    def overlay(self, writer: MaskWriter, image: Tensor, prediction: Any) -> Tensor:
        """The image tinted with its classes."""
        assert writer.palette is not None, "masks have colours"
        return overlay_mask(image, prediction["mask"], writer.palette)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the numbers, on the first process."""
        result: Any = getattr(pl_module, "segmentation_result", None)
        if result is None or not trainer.is_global_zero:
            return
        folder = results_folder(trainer, self.folder)
        write_categories(result.rows(), folder / CLASSES)
        write_json(result.to_json(), folder / METRICS)
