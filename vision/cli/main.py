"""Entry of the command line: which command, which exit code, and how errors are shown.

Nothing heavy is imported here, so that `--help` and a mistyped command answer at once.
"""

import os
import sys
from collections.abc import Sequence

from vision.cli.commands.table import COMMANDS
from vision.cli.ending import end
from vision.errors import ConfigError, suggest
from vision.program import command, with_commands
from vision.task_parts import resolve_part
from vision.version import __version__

# What other libraries and programs call our commands.
OTHER_NAMES = {"train": "fit", "val": "validate", "eval": "evaluate", "infer": "predict"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: The arguments after the program's name; by default those of this process.

    Returns:
        The exit code: 0, 2 for an error that the user can fix, 128 plus the number of a signal
        that has ended the command, or the command's own. Other exceptions propagate.
    """
    if argv is None and "_ARGCOMPLETE" in os.environ:
        from vision.cli.completion import complete

        complete()
    words = sys.argv[1:] if argv is None else argv
    return end(lambda: _run(words))


def _run(argv: Sequence[str]) -> int:
    name, *words = argv or ["--help"]
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
    elif name == "--version":
        sys.stdout.write(f"vision {__version__}\n")
    elif name.replace("_", "-") in COMMANDS:
        return int(resolve_part(COMMANDS[name.replace("_", "-")].run)(words))
    else:
        raise ConfigError(_unknown(name))
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {row.help}" for name, row in COMMANDS.items())
    return with_commands(
        f"""usage: {command()} COMMAND ...

commands:
{commands}

`vision COMMAND --help` lists the options of a command.

options of fit, validate and test:
  --config FILE     a YAML config or its name; of several, later ones win
  --key value       override any value of the config, such as --model.optim.lr 1e-4
  --print_config    print the resolved config and exit
  --version         (without a command) print the version and exit

examples:
  vision fit --config digits/convnext_linear --trainer.max_epochs 5
  vision validate --config runs/NAME/version_0/config.yaml --ckpt_path best
  vision predict runs/NAME/version_0 photos --out found
"""
    )


def _unknown(name: str) -> str:
    if name.startswith("-"):
        return f"begin with a command: {command('fit')} {name} ... ({', '.join(COMMANDS)})."
    known = OTHER_NAMES.get(name)
    near = f" Did you mean '{known}'?" if known else suggest(name, COMMANDS, maximum=1)
    return f"there is no command '{name}'.{near} ({', '.join(COMMANDS)})"
