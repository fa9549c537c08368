"""Predicted segments in COCO's panoptic format: a PNG file per image, and one JSON file."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.metrics.coco.metric import merge_shares
from vision.ops.panoptic_writing import (
    annotation_of,
    categories_of,
    write_panoptic,
    write_segment_ids,
)
from vision.wording import counted

TABLE = "panoptic.json"
# Folder of the PNG files: the name of the table without its suffix, as the format's authors do.
SEGMENTS = "panoptic"


class PanopticPredictions(PredictionWriter):
    """Writes the segments of `predict` as `vision evaluate panoptic` reads them.

    `panoptic/*.png` have the segment ids of each image in the size of its file, `panoptic.json` the
    segments with the dataset's own numbers of images and classes; an image that has none is
    numbered by its place in the set. A PNG file is named after its image, as by `LabelMaps`. Every
    process writes those of its own images.

    Args:
        folder: Where the files are written; created if absent.
    """

    default_name = "predictions"
    writes_folder = True

    def __init__(self, folder: Path | str) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._writer: SegmentWriter | None = None

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files.

        Raises:
            DataError: Two images would have one file.
        """
        names = name_files(getattr(dataset, "paths", ()))
        data = getattr(trainer, "datamodule", None)
        self._writer = SegmentWriter(self.folder, names, data=data, dataset=dataset)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the PNG files of a batch."""
        assert self._writer is not None, "it begins first"
        paths, places = evaluated.batch["path"], evaluated.places.tolist()
        for path, place, one in zip(paths, places, evaluated.predictions, strict=True):
            self._writer.write(path, place, one)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the JSON file of all processes."""
        assert self._writer is not None, "it begins first"
        count = self._writer.finish(trainer, pl_module)
        if trainer.is_global_zero:
            sys.stdout.write(f"the segments of {counted(count, 'images')} are in {self.folder}\n")


class _Entry(NamedTuple):
    """An image in the JSON file: its entries in `annotations` and `images`."""

    annotation: dict[str, Any]
    image: dict[str, Any]


class SegmentWriter(NamedFiles):
    """Writes segments to PNG files that are named after their images, and lists them.

    Args:
        folder: Where the JSON file and the folder of PNG files are written.
        names: As in `NamedFiles`.
        data: The datamodule; its `category_ids` number the classes, or else labels do.
        dataset: The images; its index may have their `names`.
    """

    def __init__(self, folder: Path, names: dict[str, str], *, data: Any, dataset: Any) -> None:
        super().__init__(folder / SEGMENTS, names)
        self._data, self._dataset = data, dataset
        ids = getattr(data, "category_ids", None)
        self.category_ids = None if ids is None else np.asarray(ids).tolist()
        self._entries: dict[int, _Entry] = {}

    def write(self, path: str, place: int, prediction: Any) -> None:
        """Write the segments found in an image.

        Args:
            path: Path of the image.
            place: Its index in the dataset.
            prediction: Its `mask` and `segments`.

        Raises:
            DataError: The file cannot be written, or belongs to another image already.
        """
        file = self.take(path)
        ids = prediction["mask"].cpu().numpy()
        write_segment_ids(file, ids)
        number = image_id(self._dataset, place)
        annotation = annotation_of(
            ids,
            prediction["segments"],
            image_id=number,
            file_name=self.name_of(path),
            category_ids=self.category_ids,
        )
        size = {"height": ids.shape[0], "width": ids.shape[1]}
        self._entries[place] = _Entry(
            annotation, {"id": number, "file_name": Path(path).name, **size}
        )

    def finish(self, trainer: Trainer, task: Any) -> int:
        """Write the JSON file from the entries of all processes; every process calls it.

        Returns:
            The number of images, on the first process.
        """
        entries = merge_shares(self._entries)
        self._entries = {}
        if not trainer.is_global_zero:
            return 0
        count = task.num_classes
        names = task.class_names or getattr(self._data, "class_names", None)
        return write_panoptic(
            self.folder.with_name(TABLE),
            (one.annotation for one in entries.values()),
            images=(one.image for one in entries.values()),
            categories=categories_of(
                names or [str(label) for label in range(count)],
                task.things or (),
                self.category_ids,
            ),
        )


def image_id(dataset: Any, place: int) -> int | str:
    """What the annotations call an image, a whole number where it is one.

    Args:
        dataset: The images.
        place: Index of the image; also its number where the annotations have none.
    """
    names = getattr(getattr(dataset, "index", None), "names", ())
    if not len(names):
        return place
    name = str(names[place])
    return int(name) if name.isdecimal() and str(int(name)) == name else name
