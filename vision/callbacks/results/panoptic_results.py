"""Write the results of a validation of a panoptic model: segments, metrics, a table of classes."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from vision.callbacks.results.overlay_results import OverlayResults
from vision.callbacks.results.panoptic_predictions import SegmentWriter
from vision.callbacks.results.part_of_set import results_folder
from vision.draw.panoptic import Segmented, draw_segments
from vision.metrics.coco.files import write_categories, write_json

METRICS = "metrics.json"
CLASSES = "classes.csv"


class PanopticResults(OverlayResults):
    """Writes the results of a validation: segments, overlays, metrics per class.

    `metrics.json` and `classes.csv` have the numbers: of `validate`, and in `fit` of the best epoch
    so far. `validate` also writes `panoptic.json` and `panoptic/*.png`, as `PanopticPredictions`
    does, and `overlays/*.png`, some images with their segments.

    The task returns `{"predictions": [...]}` from its `validation_step` and offers
    `panoptic_result`, and `segmentation_result` and `coco_result` where it measures them. Overlays
    need a validation set with `example(i)`, as `vision.data`'s have.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
        masks: Whether `validate` writes the segments.
        overlays: Number of overlays that it writes, spread evenly over the validation set.
    """

    def __init__(self, folder: Path | str, *, masks: bool = True, overlays: int = 40) -> None:
        super().__init__(folder, files=masks, pictures=overlays)
        self._names: list[str] = []
        self._palette: Any = None

    def make_writer(
        self, trainer: Trainer, dataset: Any, folder: Path, names: dict[str, str]
    ) -> SegmentWriter:
        """Writes segments in COCO's panoptic format."""
        data: Any = getattr(trainer, "datamodule", None)
        task: Any = trainer.lightning_module
        self._names = task.class_names or [str(label) for label in range(task.num_classes)]
        self._palette = getattr(data, "palette", None)
        return SegmentWriter(folder, names, data=data, dataset=dataset)

    def save(self, writer: SegmentWriter, path: str, place: int, prediction: Any) -> None:
        """Write the segments of an image."""
        writer.write(path, place, prediction)

    def overlay(self, writer: SegmentWriter, image: Tensor, prediction: Any) -> Tensor:
        """The image with its segments."""
        return draw_segments(
            image,
            Segmented(prediction["mask"], prediction["segments"]),
            class_names=self._names,
            palette=self._palette,
        )

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the list of segments, which every process takes part in, and the numbers."""
        result: Any = getattr(pl_module, "panoptic_result", None)
        if result is None:
            return
        if self.files and self._writer is not None and trainer.state.fn == TrainerFn.VALIDATING:
            self._writer.finish(trainer, pl_module)
        if not trainer.is_global_zero:
            return
        folder = results_folder(trainer, self.folder)
        write_categories(result.rows(), folder / CLASSES)
        others = {
            name: found.to_json()
            for name, found in (
                ("semantic", getattr(pl_module, "segmentation_result", None)),
                ("instances", getattr(pl_module, "coco_result", None)),
            )
            if found is not None
        }
        write_json({**result.to_json(), **others}, folder / METRICS)
