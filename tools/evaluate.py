"""Measure predictions that are in files; needs no model and starts in a moment.

    python tools/evaluate.py coco --annotations instances_val2017.json --predictions found.json
    python tools/evaluate.py coco --annotations GT.json --predictions DT.json --categories \
        --json numbers.json --csv categories.csv

`coco` prints the familiar tables: of boxes, and of masks where the predictions have a
`segmentation`. `--json` writes `{"bbox": [12 numbers], "segm": [12 numbers]}` in the order of
pycocotools, with which they agree to 1e-12. The exit status is 2 if the files do not fit each
other or their format.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.errors import VisionError
from vision.metrics.coco_evaluation import evaluate_coco
from vision.metrics.coco_files import write_categories, write_json

USER_ERROR = 2


def add_coco(commands: Any) -> None:
    """Add the command `coco` to the parsers of argparse."""
    parser = commands.add_parser("coco", help="boxes and masks in COCO's format")
    parser.add_argument("--annotations", required=True, type=Path, help="ground truth, JSON")
    parser.add_argument("--predictions", required=True, type=Path, help="list of results, JSON")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("bbox", "segm"),
        help="overlap of boxes or masks; by default masks too where the predictions have them",
    )
    parser.add_argument("--categories", action="store_true", help="print a row per category too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the categories as CSV")
    parser.add_argument(
        "--backend",
        choices=("faster_coco_eval", "pycocotools"),
        default="faster_coco_eval",
        help="the library; the numbers are the same",
    )
    parser.set_defaults(run=evaluate_detection)


def evaluate_detection(options: argparse.Namespace) -> None:
    """Compare results with ground truth, print the tables, write the files."""
    result = evaluate_coco(
        options.annotations, options.predictions, kinds=options.kinds, backend=options.backend
    )
    for kind in result.stats:
        print(f"Evaluate annotation type *{kind}*")
        print(result.table(kind))
    if options.categories:
        print(result.category_table())
    print(f"{result.images:,} images in {result.seconds:.1f} s by {result.backend}")
    if options.json:
        write_json(result.to_json(), options.json)
    if options.csv:
        write_categories(result.categories(), options.csv)


COMMANDS = (add_coco,)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 for a mistake that the user can mend."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except VisionError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
