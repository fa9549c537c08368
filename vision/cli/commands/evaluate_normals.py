"""`vision evaluate normals`: two folders of surface normals."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import (
    add_number_files,
    add_suffixes,
    add_workers,
    find_pairs,
    write_number_files,
)
from vision.wording import timed

# Predictions this bad are most often in another frame.
SUSPECT_DEGREES = 60


def add_normals(commands: Any) -> None:
    """Add the command `normals` to the parsers of argparse."""
    parser = commands.add_parser("normals", help="surface normals: RGB PNG files, or .npy")
    parser.add_argument("--annotations", required=True, type=Path, help="folder of what is right")
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    add_suffixes(parser, "the extension")
    parser.add_argument(
        "--negate",
        nargs="+",
        choices=("x", "y", "z"),
        default=[],
        metavar="AXIS",
        help="axes (x, y, z) that point the other way in predictions",
    )
    add_number_files(parser, "images")
    add_workers(parser)
    parser.set_defaults(run=evaluate_normals)


def evaluate_normals(options: argparse.Namespace) -> None:
    """Compare two folders of normals, print the numbers, write the files."""
    from vision.metrics.normals_files import evaluate_normals as evaluate
    from vision.ops.normal_maps import EXTENSIONS

    start = time.perf_counter()
    pairs = find_pairs(options, EXTENSIONS)
    result, rows = evaluate(pairs, negate=options.negate, workers=options.workers)
    seconds = time.perf_counter() - start
    print(result.table())
    if result.mean > SUSPECT_DEGREES:
        print("The mean angle is large: if the axes differ, --negate turns some of them round.")
    print(timed(len(pairs), seconds, "images"))
    write_number_files(options, result.to_json, lambda: rows)
