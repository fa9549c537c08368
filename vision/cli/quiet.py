"""Hide messages of Lightning that a user of the suite cannot act on."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Messages of Lightning that a user cannot act on, or that repeat our own.
CHATTER = (
    "Seed set to",
    "GPU available",
    "TPU available",
    "💡 Tip",
    "`Trainer.fit` stopped",
    "Restoring states from",
    "Restored all states",
    "Loaded model weights",
    "Loading `train_dataloader` to estimate",
)
NEEDLESS_WARNINGS = (
    r".*does not have many workers",
    r"The number of training batches .* is smaller than the logging interval",
    r"Experiment logs directory .* exists and is not empty",
    r"Checkpoint directory .* exists and is not empty",
    r"The `srun` command is available",
    r"Be aware that when using `ckpt_path`",
    # Our datamodules are resumable, by means that Lightning does not look for.
    r"You're resuming from a checkpoint that ended before the epoch ended",
    r"Found \d+ module\(s\) in eval mode at the start of training",  # frozen parts
    r"The dirpath has changed from",
    # Every process has these from the gathered predictions: there is nothing to reduce.
    r"It is recommended to use `self.log\('(val|test)/(box|mask)_A[PR]",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


class _ChatterFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(CHATTER)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Drop the lines of Lightning named in this file, and nothing else."""
    handlers = [
        h
        for name in ("lightning.pytorch", "lightning.fabric", "lightning")
        for h in logging.getLogger(name).handlers
    ]
    own = _ChatterFilter()
    with warnings.catch_warnings():
        for message in NEEDLESS_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        for handler in handlers:
            handler.addFilter(own)
        try:
            yield
        finally:
            for handler in handlers:
                handler.removeFilter(own)
