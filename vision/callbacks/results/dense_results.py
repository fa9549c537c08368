"""Write the results of a validation of depth or normals: maps, metrics, and a table of images."""

from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.dense_maps import DEPTH, NORMALS, DenseMaps
from vision.callbacks.results.evaluated import Evaluated, gather
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.part_of_set import results_folder
from vision.decoration import Decoration
from vision.documents.csv_writing import write_rows
from vision.files import replace_file
from vision.metrics.coco.files import write_json

PICTURES = "pictures"
METRICS = "metrics.json"
IMAGES = "images.csv"


class DenseResults(BestValidation):
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

    maps: ClassVar[DenseMaps]

    def __init__(self, folder: Path | str, *, files: bool = True, pictures: int = 40) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.files = files
        self.pictures = pictures
        self._guard = Decoration(f"the pictures in {self.folder / PICTURES}")
        self._files: NamedFiles | None = None
        self._drawn: frozenset[int] = frozenset()
        self._rows: dict[int, dict[str, Any]] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files, if there will be any.

        Raises:
            DataError: Two images would have one file.
        """
        self._files, self._drawn, self._rows = None, frozenset(), {}
        if trainer.state.fn != TrainerFn.VALIDATING:
            return
        names = name_files(getattr(dataset, "paths", ()))
        folder = results_folder(trainer, self.folder)
        self._files = NamedFiles(folder / self.maps.key, names)
        if hasattr(dataset, "__len__"):
            chosen = min(self.pictures, len(dataset))
            self._drawn = frozenset(i * len(dataset) // chosen for i in range(chosen))

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Measure the images of a batch, and write their maps."""
        if not {"path", self.maps.key} <= {*evaluated.batch}:
            return
        for pair in self.maps.pairs(evaluated):
            numbers = self.maps.measure(pair, task)
            self._rows[pair.place] = {"image": pair.path, **(numbers or {"pixels": 0})}
            if self._files is None:
                continue
            if self.files:
                self.maps.write(self._files.take(pair.path), pair.found, task)
            if pair.place in self._drawn:
                with self._guard:
                    file = self._files.folder.with_name(PICTURES)
                    self._draw(file / self._files.name_of(pair.path), pair.found)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the numbers, on the first process."""
        # A collective call: every process makes it.
        shares = gather(trainer, self._rows)
        result: Any = getattr(pl_module, self.maps.result, None)
        if result is None or not trainer.is_global_zero:
            return
        rows = {place: row for share in shares for place, row in share.items()}
        folder = results_folder(trainer, self.folder)
        # Images without a pixel that counts have no numbers.
        keys = max(rows.values(), key=len, default={"image": "", "pixels": 0})
        whole = [{key: rows[place].get(key) for key in keys} for place in sorted(rows)]
        write_rows(folder / IMAGES, whole, tuple(keys))
        write_json(result.to_json(), folder / METRICS)

    def _draw(self, file: Path, values: Any) -> None:
        from PIL import Image

        picture = self.maps.color(values)
        replace_file(file, Image.fromarray(picture.permute(1, 2, 0).numpy()).save)


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
