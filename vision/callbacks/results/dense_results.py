"""Write the results of a validation of depth or normals: maps, metrics, and a table of images."""

from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.dense_files import DenseWriter
from vision.callbacks.results.dense_maps import DEPTH, NORMALS, DenseMaps
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.map_results import MapResults
from vision.callbacks.results.part_of_set import results_folder
from vision.documents.csv_writing import write_rows
from vision.metrics.coco.files import write_json
from vision.metrics.processes import gather_rows

METRICS = "metrics.json"
IMAGES = "images.csv"


class DenseResults(MapResults):
    """Writes the results of a validation: maps, pictures, the numbers of each image.

    `metrics.json` and `images.csv` have the numbers: of `validate`, and in `fit` of the best epoch
    so far. `validate` also writes a folder of PNG files of 16 bits, which `vision evaluate` reads,
    and `pictures/*.png`, some of them in colours. Files are named as by `DenseFiles`. Every process
    writes the files of its own images.

    The task returns `{"predictions": [...]}` from its `validation_step`; results that a task lacks
    are not written.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
        files: Whether `validate` writes maps.
        pictures: Number of pictures that it writes, spread evenly over the validation set.
    """

    pictures_name = "pictures"
    maps: ClassVar[DenseMaps]

    def __init__(self, folder: Path | str, *, files: bool = True, pictures: int = 40) -> None:
        super().__init__(folder, files=files, pictures=pictures)
        self._rows: dict[int, dict[str, Any]] = {}

    def make_writer(
        self, trainer: Trainer, dataset: Any, folder: Path, names: dict[str, str]
    ) -> DenseWriter:
        """Writes maps of 16 bits."""
        return DenseWriter(
            folder / self.maps.key, names, maps=self.maps, task=trainer.lightning_module
        )

    def has_maps(self, evaluated: Evaluated) -> bool:
        """Whether the batch has the paths of its images, and what is right."""
        return {"path", self.maps.key} <= {*evaluated.batch}

    def save(self, writer: DenseWriter, path: str, place: int, prediction: Any) -> None:
        """Write the map of an image."""
        writer.write(path, prediction[self.maps.key])

    def draw(self, writer: DenseWriter, dataset: Any, place: int, prediction: Any) -> Tensor:
        """The map in colours."""
        return self.maps.color(prediction[self.maps.key])

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Forget the numbers, and begin as any."""
        self._rows = {}
        super().begin(trainer, task, dataset)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Measure the images of a batch, and write their maps."""
        if self.has_maps(evaluated):
            for pair in self.maps.pairs(evaluated):
                numbers = self.maps.measure(pair, task)
                self._rows[pair.place] = {"image": pair.path, **(numbers or {"pixels": 0})}
        super().take(trainer, task, evaluated)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the numbers, on the first process."""
        # A collective call: every process makes it.
        rows = gather_rows(self._rows)
        result: Any = getattr(pl_module, self.maps.result, None)
        if result is None or not trainer.is_global_zero:
            return
        folder = results_folder(trainer, self.folder)
        # Images without a pixel that counts have no numbers.
        keys = max(rows.values(), key=len, default={"image": "", "pixels": 0})
        whole = [{key: row.get(key) for key in keys} for row in rows.values()]
        write_rows(folder / IMAGES, whole, tuple(keys))
        write_json(result.to_json(), folder / METRICS)


class DepthResults(DenseResults):
    """Writes the results of a validation of depth.

    Args:
        folder: As in `DenseResults`.
        files: As in `DenseResults`.
        pictures: As in `DenseResults`.
    """

    maps = DEPTH


class NormalsResults(DenseResults):
    """Writes the results of a validation of surface normals.

    Args:
        folder: As in `DenseResults`.
        files: As in `DenseResults`.
        pictures: As in `DenseResults`.
    """

    maps = NORMALS
