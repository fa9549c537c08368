"""Watch what a piece of code opens, imports, fetches and runs, by Python's audit hooks."""

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

# What any code may open: the interpreter, installed packages, the suite, and what the system tells.
ALLOWED = tuple(
    str(place)
    for place in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        Path(__file__).parents[2] / "vision",
        "/proc/",
        "/dev/",
        "/sys/",
    )
)
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn")
FORBIDDEN += ("os.fork", "os.remove", "os.rename", "os.mkdir", "urllib.", "http.", "ftplib.")
FORBIDDEN += ("pickle.find_class", "ctypes.dlopen", "webbrowser.")


class Watch:
    """Records what must not happen, while it is on. A hook stays for the life of the process."""

    def __init__(self) -> None:
        self._seen: list[str] | None = None
        self._files: frozenset[str] = frozenset()
        self._module = ""
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self, *files: Path, module: str) -> Iterator[list[str]]:
        """Record into the list that is given.

        Args:
            files: What may be opened besides the code of packages.
            module: Name of a module that must not be imported.
        """
        self._files, self._module = frozenset(map(str, files)), module
        self._seen = seen = []
        try:
            yield seen
        finally:
            self._seen = None

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._seen is None:
            return
        first = arguments[0] if arguments else None
        if event == "open" and isinstance(first, str):
            if first not in self._files and not first.startswith(ALLOWED):
                self._seen.append(f"open {first}")
        elif event == "import" and str(first).partition(".")[0] == self._module:
            self._seen.append(f"import {first}")
        elif event.startswith(FORBIDDEN):
            self._seen.append(f"{event} {arguments!r:.200}")


@cache
def the_watch() -> Watch:
    """The one of this process."""
    return Watch()
