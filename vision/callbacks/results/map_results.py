"""Base class of callbacks that write the maps of a validation, and pictures of some of them."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.named_files import NamedFiles, name_files
from vision.callbacks.results.part_of_set import results_folder
from vision.decoration import Decoration
from vision.files import replace_file


class MapResults(BestValidation):
    """Writes a map and, for some images, a picture, in `validate` only.

    Every process writes the files of its own images.

    Args:
        folder: Where the files are written; created if absent. Results of a part of the set go to
            a folder beside it.
        files: Whether `validate` writes maps.
        pictures: Number of pictures that it writes, spread evenly over the validation set.

    Attributes:
        pictures_name: Name of the folder of pictures.
    """

    pictures_name: ClassVar[str]

    def __init__(self, folder: Path | str, *, files: bool, pictures: int) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.files = files
        self.pictures = pictures
        self._guard = Decoration(f"the pictures in {self.folder / self.pictures_name}")
        self._writer: Any = None
        self._drawn: frozenset[int] = frozenset()

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
    def has_maps(self, evaluated: Evaluated) -> bool:
        """Whether a batch has maps to write."""

    @abstractmethod
    def save(self, writer: Any, path: str, place: int, prediction: Any) -> None:
        """Write the map of an image, by its path and its index in the set."""

    @abstractmethod
    def draw(self, writer: Any, dataset: Any, place: int, prediction: Any) -> Tensor:
        """The picture of an image, by its index in the set: uint8 `(3, H, W)`."""

    def drawable(self, dataset: Any) -> int:
        """Number of images of a validation set that can be drawn: the first ones."""
        return len(dataset) if hasattr(dataset, "__len__") else 0

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Name the files of the maps, if there will be any.

        Raises:
            DataError: Two images would have one file.
        """
        self._writer, self._drawn = None, frozenset()
        if trainer.state.fn != TrainerFn.VALIDATING:
            return
        names = name_files(getattr(dataset, "paths", ()))
        folder = results_folder(trainer, self.folder)
        self._writer = self.make_writer(trainer, dataset, folder, names)
        count = self.drawable(dataset)
        chosen = min(self.pictures, count)
        self._drawn = frozenset(i * count // chosen for i in range(chosen))

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Write the maps of a batch."""
        writer = self._writer
        if writer is None or not self.has_maps(evaluated):
            return
        paths, places = evaluated.batch["path"], evaluated.places.tolist()
        dataset: Any = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
        for one, path, place in zip(evaluated.predictions, paths, places, strict=True):
            if self.files:
                self.save(writer, path, place, one)
            if place in self._drawn:
                with self._guard:
                    self._save_picture(self.draw(writer, dataset, place, one), writer, path)

    def _save_picture(self, picture: Tensor, writer: NamedFiles, path: str) -> None:
        from PIL import Image

        file = writer.folder.with_name(self.pictures_name) / writer.name_of(path)
        replace_file(file, Image.fromarray(picture.permute(1, 2, 0).numpy()).save)
