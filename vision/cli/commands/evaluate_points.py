"""`vision evaluate points`: two folders of files with the class of each point."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import (
    add_number_files,
    add_suffixes,
    add_workers,
    class_names_of,
    find_pairs,
    whole,
    write_number_files,
)
from vision.wording import timed

# As many as there are besides the label of points that do not count.
MAX_CLASSES = 255


def add_points(commands: Any) -> None:
    """Add the command `points` to the parsers of argparse."""
    parser = commands.add_parser("points", help="labels of points: PLY, npy, npz, LAS, text")
    parser.add_argument(
        "--annotations", required=True, type=Path, help="folder of the ground truth"
    )
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    parser.add_argument("--num-classes", required=True, type=whole(1, MAX_CLASSES), metavar="K")
    parser.add_argument(
        "--ignore",
        nargs="+",
        type=int,
        default=[],
        metavar="VALUE",
        help="values in annotations whose points do not count, besides 255",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the classes, or a text file with one per line",
    )
    add_suffixes(parser, "the extension")
    parser.add_argument(
        "--rows",
        choices=("classes", "rooms"),
        default="classes",
        help="what the rows of --csv are (classes)",
    )
    add_number_files(parser, "classes or rooms")
    add_workers(parser)
    parser.set_defaults(run=evaluate_points)


def evaluate_points(options: argparse.Namespace) -> None:
    """Compare two folders of labels, print the table, write the files."""
    from vision.data.formats.point_labels import SUFFIXES, read_point_labels
    from vision.metrics.points.files import evaluate_points as evaluate

    start = time.perf_counter()
    names = class_names_of(options)
    pairs = find_pairs(options, SUFFIXES)
    result = evaluate(
        pairs,
        options.num_classes,
        read_point_labels,
        ignored=options.ignore,
        class_names=names,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(len(pairs), seconds, "rooms"))
    rows = result.rows if options.rows == "classes" else result.room_rows
    write_number_files(options, result.to_json, rows)
