"""Commands of `vision benchmark` that measure `vision fit`: its start, and a step of it."""

from collections.abc import Sequence
from pathlib import Path

from vision.benchmarks.imports import measure_imports
from vision.benchmarks.loop import Blocks, measure_loop
from vision.cli.app import run
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_json, add_rounds

QUICKSTART = "classification/digits/convnext_linear"


def add_training(add: Add) -> None:
    """The commands `imports` and `loop`."""
    imports = add("imports", measure_imports, help="import times and the command's help")
    add_rounds(imports, 5)
    loop = add(
        "loop",
        lambda **options: measure_loop(_fit, **options),
        help="a training step against a bare loop's",
    )
    loop.add_argument("--config", type=Path, default=QUICKSTART, help="of fit")
    loop.add_argument("--rounds", type=whole(), default=20, help="pairs of blocks")
    loop.add_argument("--steps", type=whole(), default=10, help="optimiser steps of a block")
    add_json(loop)
    loop.add_argument(
        "options", nargs="*", help="options of fit, after -- (-- --data.batch_size 8)"
    )


def _fit(words: Sequence[str], blocks: Blocks) -> None:
    run("fit", words, callbacks=[blocks])
