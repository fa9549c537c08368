"""`vision evaluate panoptic`: predictions in COCO's panoptic format against ground truth."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, add_workers, write_number_files
from vision.wording import timed


def add_panoptic(commands: Any) -> None:
    """Add the command `panoptic` to the parsers of argparse."""
    parser = commands.add_parser("panoptic", help="segments in COCO's panoptic format")
    for name, what in (("annotation", "ground truth"), ("prediction", "the predictions")):
        parser.add_argument(
            f"--{name}s", required=True, type=Path, metavar="FILE", help=f"{what}, JSON"
        )
        parser.add_argument(
            f"--{name}-images",
            type=Path,
            metavar="DIR",
            help=f"PNG files of {what}; by default the path of the JSON file without .json",
        )
    parser.add_argument("--categories", action="store_true", help="print a row per category too")
    add_number_files(parser, "categories")
    add_workers(parser)
    parser.set_defaults(run=evaluate_panoptic)


def evaluate_panoptic(options: argparse.Namespace) -> None:
    """Compare predictions with ground truth, print the tables, write the files."""
    from vision.metrics.panoptic_files import evaluate_panoptic as evaluate

    start = time.perf_counter()
    result = evaluate(
        options.annotations,
        options.predictions,
        annotation_images=options.annotation_images,
        prediction_images=options.prediction_images,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    if options.categories:
        print(result.category_table(), end="\n\n")
    print(result.table())
    print(timed(result.images, seconds, "images"))
    write_number_files(options, result.to_json, result.rows)
