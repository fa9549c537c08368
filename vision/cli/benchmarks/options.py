"""Options that several commands of `vision benchmark` share, with the same names and defaults."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from vision.benchmarks.computing import DTYPES
from vision.cli.arguments import choose_device, whole
from vision.options import MAX_PROCESSES

# Adds a command by its name, what it calls with its options, and help=.
Add = Callable[..., argparse.ArgumentParser]
# From six rounds on the interval of a ratio assumes no distribution.
ROUNDS, WARMUP = 7, 1


def add_computing(
    parser: argparse.ArgumentParser,
    *,
    rounds: int = ROUNDS,
    warmup: int = WARMUP,
    dtypes: Sequence[str] = DTYPES,
) -> None:
    """The fields of `vision.benchmarks.computing.Computing`, and `--json`.

    Args:
        parser: Of a command that measures models.
        rounds: Default of its own, of a command whose rounds are much shorter than others'.
        warmup: The same.
        dtypes: Choices of `--dtype`; none where only float32 can be computed.
    """
    add_rounds(parser, rounds)
    parser.add_argument("--warmup", type=whole(0), default=warmup, help="rounds before them")
    parser.add_argument(
        "--threads",
        type=whole(1, MAX_PROCESSES),
        default=torch.get_num_threads(),
        help="of PyTorch",
    )
    parser.add_argument("--device", default=choose_device(None), help="where to compute")
    if dtypes:
        parser.add_argument(
            "--dtype", choices=dtypes, default=dtypes[0], help="by autocast, on both sides"
        )
    add_json(parser)


def add_rounds(parser: argparse.ArgumentParser, rounds: int) -> None:
    """The option of how often to measure."""
    parser.add_argument("--rounds", type=whole(), default=rounds, help="measured rounds")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of a file of results, for commands that return a table."""
    parser.add_argument(
        "--json", dest="results", type=Path, metavar="FILE", help="write all figures"
    )


def add_against(parser: argparse.ArgumentParser, sources: Sequence[str]) -> None:
    """The option of whose implementations are beside ours."""
    parser.add_argument(
        "--against", choices=(*sources, "all"), default="all", help="whose implementations"
    )
