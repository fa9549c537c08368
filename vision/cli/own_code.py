"""Code of the user's own, in the folder where a command is called."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def current_folder_searched() -> Iterator[None]:
    """Let import paths such as `--model mine.Task` name modules of the current folder.

    Python searches it for `python -m vision`, and not for the console command. It is searched last:
    no file there takes the place of an installed package.
    """
    folder = os.getcwd()
    is_new = folder not in sys.path
    if is_new:
        sys.path.append(folder)
    try:
        yield
    finally:
        if is_new and folder in sys.path:
            sys.path.remove(folder)
