"""Figures that are files and nothing else: drawing them is half the time of a small run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def undrawn() -> Iterator[None]:
    """Leave every figure that is saved meanwhile an empty file.

    For runs of which no test looks at a figure; tests/draw and tests/callbacks look at them.
    """
    with pytest.MonkeyPatch.context() as context:
        context.setattr("matplotlib.figure.Figure.savefig", _touch)
        yield


def _touch(figure: Any, path: Path, **options: Any) -> None:
    path.touch()
