"""Whether an evaluation covers its whole set, and where the results of a part of it are written."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn

SUFFIX = "_part"


def is_part(trainer: Trainer) -> bool:
    """Whether the running validation or test skips batches, such as by `limit_val_batches`."""
    testing = trainer.state.fn == TrainerFn.TESTING
    loaders: Any = trainer.test_dataloaders if testing else trainer.val_dataloaders
    counts = trainer.num_test_batches if testing else trainer.num_val_batches
    if loaders is None:
        return False
    loaders = loaders if isinstance(loaders, list | tuple) else [loaders]
    for loader, count in zip(loaders, counts, strict=False):
        try:
            whole = len(loader)
        except TypeError:  # a stream, whose length is not known
            continue
        if count < whole:
            return True
    return False


def results_folder(trainer: Trainer, folder: Path) -> Path:
    """Where the results of the running evaluation belong.

    Args:
        trainer: The trainer that evaluates.
        folder: Folder for the results of the whole set.

    Returns:
        The folder, or for a part of the set one beside it whose name ends in `_part`: a part never
        replaces the results of the whole.
    """
    return folder.with_name(folder.name + SUFFIX) if is_part(trainer) else folder
