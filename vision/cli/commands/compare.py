"""Compare runs: metrics, evaluation, speed, size, and what differs in their configs.

    vision compare runs/digits_convnext/version_0 runs/digits_swin/version_0
    vision compare runs/digits_convnext --html compare.html
    vision compare RUN RUN RUN --json compare.json --csv compare.csv

RUN is the folder of a run, a checkpoint in it, or runs/NAME for all versions of it. Differences are
to the first run. What a folder does not say is "unknown"; what cannot be read is noted below the
tables. The exit status is 2 if a RUN is none.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vision.cli.announce import announce
from vision.cli.arguments import check_output_files
from vision.cli.ending import command_parser, end
from vision.wording import counted

# Width in characters of what goes to a file or a pipe.
PLAIN_WIDTH = 160


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("compare", __doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run, a checkpoint in it, or runs/NAME"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a row per run")
    return parser


def compare(arguments: argparse.Namespace) -> int:
    """Print the tables, and write the files that were asked for; returns the exit status."""
    check_output_files(arguments, "html", "json", "csv")
    announce(f"compare {counted(len(arguments.runs), 'runs')}")
    from vision.report.compare import compare_runs, write_csv, write_json
    from vision.report.compare_page import write_comparison
    from vision.report.compare_text import print_comparison
    from vision.report.runs import read_runs

    compared = compare_runs(read_runs(arguments.runs))
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    print_comparison(compared, width)
    for path, write in (
        (arguments.html, write_comparison),
        (arguments.json, write_json),
        (arguments.csv, write_csv),
    ):
        if path is not None:
            write(compared, path)
            print(f"wrote {path}")
    return 0


def main(words: Sequence[str]) -> int:
    """Run a command line; returns the exit status."""
    return end(lambda: compare(build_parser().parse_args(words)))
