"""`vision evaluate nuscenes`: a file of nuScenes' detection results."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, write_number_files
from vision.wording import timed


def add_nuscenes(commands: Any) -> None:
    """Add the command `nuscenes` to the parsers of argparse."""
    parser = commands.add_parser("nuscenes", help="boxes in space: nuScenes' detection results")
    parser.add_argument(
        "--annotations",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of the tables, such as v1.0-trainval",
    )
    parser.add_argument(
        "--predictions",
        required=True,
        type=Path,
        metavar="FILE",
        help="results, JSON: meta and the detections of each key frame",
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="names of the scenes to evaluate, one per line; by default all of the tables",
    )
    add_number_files(parser, "classes")
    parser.set_defaults(run=evaluate_nuscenes)


def evaluate_nuscenes(options: argparse.Namespace) -> None:
    """Compare results with tables, print the table, write the files."""
    from vision.metrics.nuscenes.files import evaluate_nuscenes as evaluate

    start = time.perf_counter()
    result = evaluate(options.annotations, options.predictions, split=options.split)
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(result.samples, seconds, "key frames"))
    write_number_files(options, result.to_json, result.rows)
