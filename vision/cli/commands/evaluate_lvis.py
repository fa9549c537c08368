"""`vision evaluate lvis`: boxes and masks in COCO's format against LVIS' annotations."""

import argparse
from typing import Any

from vision.cli.commands.evaluate_coco import add_result_files, show_result


def add_lvis(commands: Any) -> None:
    """Add the command `lvis` to the parsers of argparse."""
    parser = commands.add_parser("lvis", help="boxes and masks by the rules of LVIS")
    add_result_files(parser)
    parser.set_defaults(run=evaluate_lvis)


def evaluate_lvis(options: argparse.Namespace) -> None:
    """Compare results with ground truth, print the tables, write the files."""
    # Other commands should not wait for it.
    from vision.metrics.lvis.evaluation import evaluate_lvis as evaluate

    show_result(options, evaluate(options.annotations, options.predictions, kinds=options.kinds))
