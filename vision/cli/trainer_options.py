"""Options of Lightning's trainer: ranges that it does not check, and its refusals explained."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vision.errors import ConfigError
from vision.options import MAX_COUNT, check_number

# Smallest values; Lightning chooses values that are not given.
RANGES = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "log_every_n_steps": 0,
    "max_epochs": -1,  # without end
    "max_steps": -1,
    "min_epochs": 0,
    "min_steps": 0,
    "num_nodes": 1,
    "num_sanity_val_steps": -1,  # all
}
ONE_VALUE = "more than 1 value per channel"


def check_trainer(options: Mapping[str, Any]) -> None:
    """Check that numbers are in their ranges.

    Args:
        options: Options of the trainer, by name.

    Raises:
        ConfigError: A number is out of range.
    """
    for name, minimum in RANGES.items():
        if options.get(name) is not None:
            check_number(f"trainer.{name}", options[name], minimum=minimum, maximum=MAX_COUNT)
    interval = options.get("val_check_interval")
    if isinstance(interval, int | float) and not interval > 0:
        raise ConfigError(
            f"trainer.val_check_interval={interval} must be a share of an epoch in (0, 1], or a "
            "number of batches."
        )


@contextmanager
def explain_refusals(batch_size: int, sizes: str) -> Iterator[None]:
    """Explain what Lightning and batch norm refuse in a training.

    Args:
        batch_size: Images per batch and device.
        sizes: Options of a sample's size, as of a datamodule.

    Raises:
        ConfigError: Lightning or batch norm refuses an option.
    """
    try:
        yield
    except ValueError as error:
        if ONE_VALUE in str(error):
            raise ConfigError(
                "batch norm needs more than one value per channel to train: a batch of "
                f"{batch_size}, or the smaller last one of an epoch, ends in a map of one value. "
                "Any of these helps:\n"
                f"  --data.batch_size {max(2, batch_size)} or more\n"
                f"  samples of a larger size: {sizes}\n"
                f"{str(error).partition(chr(10))[0][:160]}"
            ) from error
        # What Lightning itself raises is about its options; ours and PyTorch's are not.
        place = traceback.extract_tb(error.__traceback__)[-1].filename.replace("\\", "/")
        if "/lightning/pytorch/" in place:
            raise ConfigError(str(error).strip()) from error
        raise
