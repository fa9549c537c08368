"""`vision evaluate cityscapes-instances`: masks against Cityscapes' instance ids."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, add_workers, write_number_files
from vision.wording import timed


def add_cityscapes_instances(commands: Any) -> None:
    """Add the command `cityscapes-instances` to the parsers of argparse."""
    parser = commands.add_parser(
        "cityscapes-instances", help="masks by the rules of Cityscapes' scripts"
    )
    parser.add_argument(
        "--annotations",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with *_gtFine_instanceIds.png, such as gtFine/val",
    )
    parser.add_argument(
        "--predictions",
        required=True,
        type=Path,
        metavar="PATH",
        help="folder with a text file of each image, whose lines are mask.png, label id and score,"
        " or results in COCO's format, JSON",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FILE",
        help="for JSON, a file in COCO's format with the images and categories of its ids; without"
        " it they are names such as frankfurt_000000_000294 and label ids",
    )
    add_number_files(parser, "classes")
    add_workers(parser)
    parser.set_defaults(run=evaluate_cityscapes)


def evaluate_cityscapes(options: argparse.Namespace) -> None:
    """Compare masks with instance ids, print the table, write the files."""
    from vision.metrics.cityscapes.files import evaluate_files

    start = time.perf_counter()
    result = evaluate_files(
        options.annotations,
        options.predictions,
        images=options.images,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(result.images, seconds, "images"))
    write_number_files(options, result.to_json, result.classes)
