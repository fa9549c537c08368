"""How every command ends: its exit code, and its message for errors that the user can fix."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from vision.cli.own_code import current_folder_searched
from vision.cli.streams import lenient_streams
from vision.errors import ConfigError, VisionError
from vision.line_width import fit_text, help_width
from vision.program import command, with_commands
from vision.workers import explain_end_of_worker

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
MAX_LINES = 8
MAX_WIDTH = 1000


def end(run: Callable[[], int]) -> int:
    """Run a command to its end.

    Args:
        run: The command; returns its exit code. It may import modules of the current folder.

    Returns:
        The exit code: the command's own, 2 for a `VisionError`, a file or memory that the system
        refuses or a data worker that it has killed, each reported in a few lines, 130 for Ctrl+C.
        Other exceptions propagate: they are bugs of the suite, and keep their tracebacks.
    """
    with lenient_streams():
        try:
            with current_folder_searched():
                return run()
        except SystemExit as stop:  # --help, and what others end a process by
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except VisionError as error:
            return _refuse(str(error))
        except (OSError, EOFError, RuntimeError) as error:
            if message := explain_end_of_worker(error):
                return _refuse(message)
            if isinstance(error, OSError):
                return _refuse(_system_message(error))
            raise
        except MemoryError as error:
            return _refuse(f"memory is full: {error or 'nothing more is known'}.")
        except KeyboardInterrupt:
            sys.stderr.write("stopped (SIGINT).\n")
            return INTERRUPTED


def _refuse(message: str) -> int:
    lines = f"error: {message}".splitlines()[:MAX_LINES]
    for line in lines:
        sys.stderr.write(f"{line if len(line) <= MAX_WIDTH else f'{line[:MAX_WIDTH]}...'}\n")
    return USER_ERROR


def _system_message(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"'{error.filename}': {reason}." if error.filename is not None else f"{reason}."


class Parser(argparse.ArgumentParser):
    """A parser of `argparse` that accepts options in full only, and raises instead of exiting.

    Takes the arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{message}.\n`{self.prog} --help` lists every option.")


def command_parser(name: str, description: str | None) -> Parser:
    """The parser of a command.

    Args:
        name: Name of the command, such as `"check-dataset"`.
        description: What its help says, with commands as `vision.program.with_commands` knows them.
    """
    text = fit_text(with_commands(description or ""), help_width())
    return Parser(prog=command(name), description=text)
