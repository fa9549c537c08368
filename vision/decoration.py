"""Failures of pictures, tables and logs become warnings: they must not end a run."""

import logging
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from vision.workers import explain_end_of_worker

logger = logging.getLogger(__name__)

Shown = TypeVar("Shown")


class Decoration:
    """A context that turns any failure in it into a warning.

    For pictures, curves, tables, logs and printed lines; what carries results, such as
    checkpoints and predictions, stays outside. Ctrl+C and the like pass, and so does the end of a
    data worker: PyTorch's handler of SIGCHLD raises it once, wherever the process happens to be.

        self._guard = Decoration("the picture of the predictions")
        ...
        with self._guard:
            save_png(draw(...), path)

    Args:
        what: What is left out, for the warning.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._said = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or explain_end_of_worker(error):
            return False
        problem = f"{type(error).__name__}: {error}".strip()
        # The same at every step would bury all else.
        if problem != self._said:
            self._said = problem
            logger.warning(
                "%s: left out, as it failed; the run continues. %s", self.what, problem[:500]
            )
            logger.debug("where it failed", exc_info=(type(error), error, trace))
        return True


def decorative(what: str) -> Callable[[type[Shown]], type[Shown]]:
    """Guard every hook (`on_...`) of a class by one `Decoration` for each instance.

    Hooks in which processes wait for one another must not be guarded so: where one fails, the
    others would wait forever.

    Args:
        what: As for `Decoration`.
    """

    def guard(hook: Callable[..., None]) -> Callable[..., None]:
        @wraps(hook)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
            if not hasattr(self, "_decoration"):
                self._decoration = Decoration(what)
            with self._decoration:
                hook(self, *args, **kwargs)

        return guarded

    def guard_hooks(shown: type[Shown]) -> type[Shown]:
        for name, hook in list(vars(shown).items()):
            if name.startswith("on_") and callable(hook):
                setattr(shown, name, guard(hook))
        return shown

    return guard_hooks
