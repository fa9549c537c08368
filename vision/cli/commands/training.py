"""The commands of a training: `fit`, `validate` and `test`."""

from collections.abc import Sequence

from vision.cli.commands.table import COMMANDS
from vision.cli.ending import end

TRAINING = ("fit", "validate", "test", "predict")
# With one of these `predict` is that of the trainer, on the dataset of a config.
OPTIONS = ("--config", "--print_config", "--ckpt_path", "--model", "--data", "--trainer")


def fit(words: Sequence[str]) -> int:
    """Train a model; returns the exit status."""
    return run_trainer("fit", words)


def validate(words: Sequence[str]) -> int:
    """Measure a checkpoint on the validation set; returns the exit status."""
    return run_trainer("validate", words)


def test(words: Sequence[str]) -> int:
    """Measure a checkpoint on the test set; returns the exit status."""
    return run_trainer("test", words)


def is_training(words: Sequence[str]) -> bool:
    """Whether words after `predict` are options of the trainer, not a model and its input."""
    return any(word.partition("=")[0].startswith(OPTIONS) for word in words)


def run_trainer(command: str, words: Sequence[str]) -> int:
    """Run a command of the trainer to its end; returns the exit status.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        words: Its options: `--config FILE` and `--key value`.
    """

    def run() -> int:
        from vision.cli.start import start

        start(command, COMMANDS[command].help, words)
        return 0

    return end(run)
