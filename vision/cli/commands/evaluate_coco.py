"""`vision evaluate coco`: boxes and masks in COCO's format against annotations."""

import argparse
from pathlib import Path
from typing import Any

from vision.cli.arguments import add_number_files, whole, write_number_files
from vision.wording import counted

# More detections of an image are not sensible, and take long.
MAX_DETECTIONS = 100_000


def add_coco(commands: Any) -> None:
    """Add the command `coco` to the parsers of argparse."""
    parser = commands.add_parser("coco", help="boxes and masks in COCO's format")
    add_result_files(parser)
    parser.add_argument(
        "--max-detections",
        nargs="+",
        type=whole(1, MAX_DETECTIONS),
        default=[1, 10, 100],
        metavar="N",
        help="detections per image and category, ascending: recall is measured at each, precision"
        " at the last; by default 1 10 100",
    )
    parser.add_argument(
        "--class-agnostic",
        action="store_true",
        help="compare all categories together, as for the recall of proposals",
    )
    parser.add_argument(
        "--backend",
        choices=("numpy", "faster_coco_eval", "pycocotools"),
        default="numpy",
        help="the library; the numbers are the same",
    )
    parser.set_defaults(run=evaluate_coco)


def add_result_files(parser: Any) -> None:
    """Add the options of files in COCO's format to a parser of `argparse`."""
    parser.add_argument("--annotations", required=True, type=Path, help="ground truth, JSON")
    parser.add_argument("--predictions", required=True, type=Path, help="list of results, JSON")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("bbox", "segm"),
        help="overlap of boxes or masks; by default masks too where the predictions have them",
    )
    parser.add_argument("--categories", action="store_true", help="print a row per category too")
    add_number_files(parser, "categories")


def evaluate_coco(options: argparse.Namespace) -> None:
    """Compare results with ground truth, print the tables, write the files."""
    # Other commands should not wait for it.
    from vision.metrics.coco.evaluation import evaluate_coco as evaluate

    result = evaluate(
        options.annotations,
        options.predictions,
        kinds=options.kinds,
        max_detections=options.max_detections,
        class_agnostic=options.class_agnostic,
        backend=options.backend,
    )
    show_result(options, result)


def show_result(options: argparse.Namespace, result: Any) -> None:
    """Print the tables of a `CocoResult` and write its files."""
    for kind in result.stats:
        print(f"Evaluate annotation type *{kind}*")
        print(result.table(kind))
    if options.categories:
        print(result.category_table())
    print(f"{counted(result.images, 'images')} in {result.seconds:.1f} s by {result.backend}")
    write_number_files(options, result.to_json, result.categories)
