"""Write the weights of a run's checkpoints as files for `vision.load`."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from vision.cli.runs import CHECKPOINTS, NICKNAMES
from vision.errors import CheckpointError, WeightsError
from vision.optim.averages import WEIGHTS_KEY
from vision.tasks.checkpoint import describe_checkpoint
from vision.weights.model_file import write_model

logger = logging.getLogger(__name__)

WEIGHTS = "weights"


class ModelFiles:
    """Writes `weights/best.safetensors` and `weights/last.safetensors` from the checkpoints.

    They hold the averaged weights if the run keeps averages. They are made from the checkpoint,
    which one process has whole, so that nothing is gathered for them, also with FSDP. `last.ckpt`
    is written within an epoch as well, `last.safetensors` only at the end of one. If a file cannot
    be written, a warning is logged and training continues; the file of an earlier checkpoint is
    then removed, since it could be mistaken for the weights of the present one.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, checkpoint: Mapping[str, Any], path: Path) -> None:
        """Write the file that belongs to a checkpoint.

        Args:
            checkpoint: What was written.
            path: Its path; checkpoints other than the run's best and last are skipped.
        """
        ours = path.absolute().parent == (self.folder / CHECKPOINTS).absolute()
        if not ours or path.stem not in NICKNAMES:
            return
        if path.stem == "last" and not _ends_epoch(checkpoint):
            return
        file = self.folder / WEIGHTS / f"{path.stem}.safetensors"
        weights = checkpoint.get(WEIGHTS_KEY) or checkpoint["state_dict"]
        state = {key: value for key, value in weights.items() if isinstance(value, Tensor)}
        try:
            write_model(file, state, describe_checkpoint(checkpoint))
        except (WeightsError, CheckpointError, OSError) as error:
            with suppress(OSError):
                file.unlink(missing_ok=True)
            logger.warning("%s\nThe checkpoint '%s' has the same weights.", error, path)


def _ends_epoch(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a checkpoint was written after the last batch of an epoch."""
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return bool(progress["is_last_batch"])
