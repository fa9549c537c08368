"""Hide messages of Lightning that a user of the suite cannot act on."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Messages of Lightning that a user cannot act on, or that repeat our own.
CHATTER = (
    "Seed set to",
    "GPU available",
    "LOCAL_RANK: ",
    "Initializing distributed",
    100 * "-",  # the box about the processes of a distributed run
    "TPU available",
    "💡 Tip",
    "`Trainer(",
    "Running in `fast_dev_run` mode",
    "Using 16bit Automatic",
    "Using bfloat16 Automatic",
    "`Trainer.fit` stopped",
    "Restoring states from",
    "Restored all states",
    "Loaded model weights",
    "Loading `train_dataloader` to estimate",
    "\nDetected KeyboardInterrupt",
)
# After a Ctrl-C, too, since Lightning receives every signal as this one.
RECEIVED = "Received SIGTERM"
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
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


class _ChatterFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not (message.startswith(CHATTER) or RECEIVED in message)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Drop the lines of Lightning that a user cannot act on, and nothing else.

    The commands do so; in a notebook it is for you to choose, since it concerns the whole process
    while it lasts. Lightning has to be imported before:

        with vision.without_chatter():
            trainer = Trainer(max_epochs=3)
            trainer.fit(task, data)
    """
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
