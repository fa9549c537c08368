"""`vision evaluate kitti`: two folders of KITTI's text files of objects."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, write_number_files
from vision.metrics.kitti.levels import SIMILAR
from vision.wording import timed


def add_kitti(commands: Any) -> None:
    """Add the command `kitti` to the parsers of argparse."""
    parser = commands.add_parser("kitti", help="boxes in space: KITTI's text files of objects")
    parser.add_argument(
        "--annotations", required=True, type=Path, metavar="DIR", help="labels, as in label_2"
    )
    parser.add_argument(
        "--predictions",
        required=True,
        type=Path,
        metavar="DIR",
        help="predictions: files of the same names, with a score at the end of each line",
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="names of the images to evaluate, such as ImageSets/val.txt; by default all",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        choices=tuple(SIMILAR),
        default=tuple(SIMILAR),
        metavar="NAME",
        help=f"classes to evaluate; by default {', '.join(SIMILAR)}",
    )
    add_number_files(parser, "rows of classes and metrics")
    parser.set_defaults(run=evaluate_kitti)


def evaluate_kitti(options: argparse.Namespace) -> None:
    """Compare predictions with labels, print the table, write the files."""
    from vision.metrics.kitti.files import evaluate_kitti as evaluate

    start = time.perf_counter()
    result = evaluate(
        options.annotations, options.predictions, classes=options.classes, split=options.split
    )
    seconds = time.perf_counter() - start
    print("AP, mean over 40 recalls")
    print(result.table())
    print(timed(result.images, seconds, "images"))
    write_number_files(options, result.to_json, result.rows)
