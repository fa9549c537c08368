"""`vision evaluate voc`: boxes against Pascal VOC's XML files."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, write_number_files
from vision.documents.class_table import class_table
from vision.wording import timed


def add_voc(commands: Any) -> None:
    """Add the command `voc` to the parsers of argparse."""
    parser = commands.add_parser("voc", help="boxes by the rules of Pascal VOC")
    parser.add_argument(
        "--annotations",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of the XML files, such as VOC2007/Annotations",
    )
    parser.add_argument(
        "--predictions",
        required=True,
        type=Path,
        metavar="PATH",
        help="results in COCO's format, JSON, or a folder with the development kit's files, such as"
        " comp4_det_test_cat.txt",
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="names of the images to evaluate, such as ImageSets/Main/test.txt; by default all",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        default=class_table("voc").classes[1:],
        metavar="NAME",
        help="names of the classes, by category id from 1 on; by default the 20 of VOC",
    )
    add_number_files(parser, "classes")
    parser.set_defaults(run=evaluate_voc)


def evaluate_voc(options: argparse.Namespace) -> None:
    """Compare boxes with XML files, print the table, write the files."""
    from vision.metrics.voc.files import evaluate_files

    start = time.perf_counter()
    result = evaluate_files(
        options.annotations, options.predictions, class_names=options.classes, split=options.split
    )
    seconds = time.perf_counter() - start
    print("AP at an IoU of 0.5: at 11 recalls (2007), as an area (2010 and later)")
    print(result.table())
    print(timed(result.images, seconds, "images"))
    write_number_files(options, result.to_json, result.classes)
