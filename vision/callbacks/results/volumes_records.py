"""Records of an evaluation of volumes, for its report."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.callbacks.results.volumes_images import PackedMask, shelve
from vision.contracts.volumes import Regions
from vision.metrics.processes import gather_rows
from vision.metrics.volumes.table import VolumeScores

EXAMPLES = 6


class VolumeRecord(NamedTuple):
    """The numbers of each subject, and some predictions.

    Attributes:
        result: Dice, distances and volumes of each subject and region.
        places: Index of each subject in the dataset, by name.
        chosen: The best, the worst and random subjects.
        masks: What was predicted for the chosen ones, by index in the dataset.
        regions: The regions that were learned; None where classes were.
    """

    result: VolumeScores
    places: dict[str, int]
    chosen: dict[str, list[Scored]]
    masks: Mapping[int, PackedMask]
    regions: Regions | None


class VolumeRecorder:
    """Scores each subject, and keeps the masks of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._subjects: dict[int, str] = {}

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no subjects."""
        self.__init__()  # type: ignore[misc]

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Score the subjects of a batch."""
        places = evaluated.places.tolist()
        self._subjects |= dict(zip(places, evaluated.batch["subject"], strict=True))
        shelve(self._shelf, task, evaluated)

    def finish(self, trainer: Trainer, task: Any) -> VolumeRecord:
        """The subjects of all processes."""
        shown = gather_examples(self._shelf, EXAMPLES)
        subjects = gather_rows(self._subjects)
        record = VolumeRecord(
            result=task.volume_result,
            places={name: place for place, name in subjects.items()},
            chosen=shown.chosen,
            masks=shown.arrays,
            regions=task.regions,
        )
        self._shelf = Shelf(EXAMPLES)
        return record
