"""Entry of the command line: which command, which exit code, and how errors are shown.

Nothing heavy is imported here, so that `--help` and a mistyped command answer at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from vision.cli.ending import end
from vision.errors import ConfigError, suggest
from vision.version import __version__

COMMANDS = {
    "fit": "train, validate after each epoch, keep the best and the last checkpoint",
    "validate": "measure a checkpoint on the validation set",
    "test": "measure a checkpoint on the test set",
    "predict": "write the predictions for images",
}


def main(argv: Sequence[str], *, root: Path) -> int:
    """Run a command line.

    Args:
        argv: The arguments after the program's name.
        root: Folder of `train.py` and of `configs`.

    Returns:
        The exit code: 0, 2 for an error that the user can fix, 128 plus the number of a signal
        that has ended the command. Other exceptions propagate.
    """
    return end(lambda: _run(argv, root))


def _run(argv: Sequence[str], root: Path) -> int:
    command, *args = argv or ["--help"]
    if command in ("-h", "--help"):
        sys.stdout.write(_help())
    elif command == "--version":
        sys.stdout.write(f"vision {__version__}\n")
    elif command in COMMANDS:
        from vision.cli.start import start

        start(command, COMMANDS[command], args, root=root, program="python train.py")
    else:
        raise ConfigError(_unknown(command))
    return 0


def _help() -> str:
    commands = "\n".join(f"  {name:<10} {about}" for name, about in COMMANDS.items())
    return f"""usage: train.py [{"|".join(COMMANDS)}] --config FILE [--key value ...]

Without arguments: train a small ConvNeXt on handwritten digits, in seconds.

commands:
{commands}

options of every command:
  --config FILE     a YAML config; give several to compose them, later ones win
  --key value       override any value of the config, such as --model.optim.lr 1e-4
  --print_config    print the resolved config and exit
  --help            list every option of the command
  --version         (without a command) print the version and exit

examples:
  train.py fit --config configs/classification/digits/convnext_linear.yaml --trainer.max_epochs 5
  train.py validate --config runs/NAME/version_0/config.yaml --ckpt_path best
  train.py predict --config runs/NAME/version_0/config.yaml --ckpt_path best --data.predict_root DIR
"""


def _unknown(command: str) -> str:
    if command.startswith("-"):
        return f"begin with a command: train.py fit {command} ... ({', '.join(COMMANDS)})."
    return f"there is no command '{command}'.{suggest(command, COMMANDS)} ({', '.join(COMMANDS)})"
