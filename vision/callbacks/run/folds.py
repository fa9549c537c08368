"""The list of the folds that a run trains and validates on, to be given to other runs."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vision.decoration import decorative
from vision.documents.json_writing import to_json
from vision.files import write_text

FILE_NAME = "folds.json"


@decorative(f"the file {FILE_NAME}")
class FoldList(Callback):
    """Writes `folds.json` when a training starts, if its data are divided into folds.

    The method `fold_table` of the datamodule makes it; others have none. A division depends on the
    seed and on the subjects that are there: the list keeps it when subjects are added or removed.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder) / FILE_NAME

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the list, on the first process."""
        data: Any = getattr(trainer, "datamodule", None)
        if not trainer.is_global_zero or not hasattr(data, "fold_table"):
            return
        table = data.fold_table()
        if table is not None:
            write_text(self.path, to_json(table, indent=1) + "\n")
