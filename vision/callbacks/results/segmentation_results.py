"""Write the results of a validation of a segmentor: masks, metrics, and a table of classes."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.label_maps import MaskWriter, data_palette
from vision.callbacks.results.named_files import name_files
from vision.callbacks.results.part_of_set import results_folder
from vision.decoration import Decoration
from vision.draw.segmentation import overlay_mask
from vision.files import replace_file
from vision.metrics.coco.files import write_categories, write_json

MASKS = "masks"
OVERLAYS = "overlays"
METRICS = "metrics.json"
CLASSES = "classes.csv"


class SegmentationResults(BestValidation):
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
        super().__init__()
        self.folder = Path(folder)
        self.masks = masks
        self.overlays = overlays
        self._guard = Decoration(f"the pictures in {self.folder / OVERLAYS}")
        self._writer: MaskWriter | None = None
        self._overlaid: frozenset[int] = frozenset()

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files of the masks, if there will be any.

        Raises:
            DataError: Two images would have one file.
        """
        self._writer, self._overlaid = None, frozenset()
        if trainer.state.fn != TrainerFn.VALIDATING:
            return
        data = getattr(trainer, "datamodule", None)
        names = name_files(getattr(dataset, "paths", ()))
        folder = results_folder(trainer, self.folder)
        self._writer = MaskWriter(folder / MASKS, names, palette=data_palette(data))
        if hasattr(dataset, "example"):
            count = len(dataset)
            chosen = min(self.overlays, count)
            self._overlaid = frozenset(i * count // chosen for i in range(chosen))

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the masks of a batch."""
        writer = self._writer
        if writer is None or "mask" not in evaluated.predictions[0]:
            return
        paths, places = evaluated.batch["path"], evaluated.places.tolist()
        dataset: Any = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
        for one, path, place in zip(evaluated.predictions, paths, places, strict=True):
            if self.masks:
                writer.write(path, one["mask"])
            if place in self._overlaid:
                with self._guard:
                    image, _ = dataset.example(place)
                    self._save_overlay(image, one["mask"], writer, path)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the numbers, on the first process."""
        result: Any = getattr(pl_module, "segmentation_result", None)
        if result is None or not trainer.is_global_zero:
            return
        folder = results_folder(trainer, self.folder)
        write_categories(result.rows(), folder / CLASSES)
        write_json(result.to_json(), folder / METRICS)

    def _save_overlay(self, image: Any, mask: Any, writer: MaskWriter, path: str) -> None:
        from PIL import Image

        assert writer.palette is not None, "masks have colours"
        picture = overlay_mask(image, mask, writer.palette)
        file = writer.folder.with_name(OVERLAYS) / writer.name_of(path)
        replace_file(file, Image.fromarray(picture.permute(1, 2, 0).numpy()).save)
