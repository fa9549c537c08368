"""Base class of callbacks that write the maps of a validation, and pictures of some of them."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.part_of_set import results_folder
from vision.decoration import Decoration
from vision.files import replace_file

OVERLAYS = "overlays"


class MapResults(BestValidation):
    """Writes a map and, for some images, a picture, in `validate` only.

    Every process writes the files of its own images. Pictures need a validation set with
    `example(i)`, as `vision.data`'s have.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
        maps: Whether `validate` writes maps.
        overlays: Number of pictures that it writes, spread evenly over the validation set.
    """

    def __init__(self, folder: Path | str, *, maps: bool, overlays: int) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.maps = maps
        self.overlays = overlays
        self._guard = Decoration(f"the pictures in {self.folder / OVERLAYS}")
        self._writer: Any = None
        self._overlaid: frozenset[int] = frozenset()

    @abstractmethod
    def make_writer(
        self, trainer: Trainer, dataset: Any, folder: Path, names: dict[str, str]
    ) -> NamedFiles:
        """What writes the maps.

        Args:
            trainer: The trainer.
            dataset: The validation set.
            folder: The folder of results.
            names: As in `NamedFiles`.
        """

    @abstractmethod
    def save(self, writer: Any, path: str, place: int, prediction: Any) -> None:
        """Write the map of an image, by its path and its index in the set."""

    @abstractmethod
    def overlay(self, writer: Any, image: Tensor, prediction: Any) -> Tensor:
        """The picture of an image, uint8 `(3, H, W)`."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files of the maps, if there will be any.

        Raises:
            DataError: Two images would have one file.
        """
        self._writer, self._overlaid = None, frozenset()
        if trainer.state.fn != TrainerFn.VALIDATING:
            return
        names = name_files(getattr(dataset, "paths", ()))
        folder = results_folder(trainer, self.folder)
        self._writer = self.make_writer(trainer, dataset, folder, names)
        if hasattr(dataset, "example"):
            count = len(dataset)
            chosen = min(self.overlays, count)
            self._overlaid = frozenset(i * count // chosen for i in range(chosen))

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the maps of a batch."""
        writer = self._writer
        if writer is None or "mask" not in evaluated.predictions[0]:
            return
        paths, places = evaluated.batch["path"], evaluated.places.tolist()
        dataset: Any = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
        for one, path, place in zip(evaluated.predictions, paths, places, strict=True):
            if self.maps:
                self.save(writer, path, place, one)
            if place in self._overlaid:
                with self._guard:
                    picture = self.overlay(writer, dataset.example(place)[0], one)
                    self._save_picture(picture, writer, path)

    def _save_picture(self, picture: Tensor, writer: NamedFiles, path: str) -> None:
        from PIL import Image

        file = writer.folder.with_name(OVERLAYS) / writer.name_of(path)
        replace_file(file, Image.fromarray(picture.permute(1, 2, 0).numpy()).save)
