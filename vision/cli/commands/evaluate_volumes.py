"""`vision evaluate volumes`: two folders of NIfTI files of labels."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import (
    add_number_files,
    add_suffixes,
    add_workers,
    find_pairs,
    whole,
    write_number_files,
)
from vision.errors import ConfigError
from vision.metrics.volumes.dice import EMPTY
from vision.wording import timed

MAX_LABEL = 65_535


def label(text: str) -> tuple[str, tuple[int, ...]]:
    """A type for `argparse`: a name and its values, such as `liver=1` or `WT=1,2,4`."""
    name, _, given = text.rpartition("=")
    values = given.split(",")
    read = whole(1, MAX_LABEL)
    try:
        return _named(name), tuple(map(read, values))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not NAME=VALUE, or several values as in WT=1,2,4: {error}"
        ) from None


def _named(name: str) -> str:
    if not name:
        raise argparse.ArgumentTypeError("it has no name")
    return name


def add_volumes(commands: Any) -> None:
    """Add the command `volumes` to the parsers of argparse."""
    parser = commands.add_parser("volumes", help="labels of 3-D images: NIfTI files")
    parser.add_argument(
        "--annotations", required=True, type=Path, help="folder of the ground truth"
    )
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    classes = parser.add_mutually_exclusive_group(required=True)
    classes.add_argument(
        "--regions", choices=("brats",), help="the tumour core, whole and enhancing tumour of BraTS"
    )
    classes.add_argument(
        "--labels",
        nargs="+",
        type=label,
        metavar="NAME=VALUE",
        help="name and value of each class; a region of several has commas: WT=1,2,4",
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        type=int,
        default=[],
        metavar="VALUE",
        help="values in annotations whose cells do not count",
    )
    add_suffixes(parser, ".nii.gz")
    parser.add_argument(
        "--empty",
        choices=EMPTY,
        default="skip",
        help="a region that is empty in an annotation is left out (skip, the default), or scored"
        " 1 or 0, and 0 or 373.13 mm (brats)",
    )
    parser.add_argument(
        "--distances",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to measure the distances between surfaces too",
    )
    add_number_files(parser, "subjects")
    add_workers(parser)
    parser.set_defaults(run=evaluate_volumes)


def evaluate_volumes(options: argparse.Namespace) -> None:
    """Compare two folders of volumes, print the table, write the files."""
    from vision.metrics.volumes.files import BRATS_REGIONS
    from vision.metrics.volumes.files import evaluate_volumes as evaluate
    from vision.ops.nifti import SUFFIXES

    regions = dict(BRATS_REGIONS if options.regions else options.labels)
    if options.labels and len(regions) < len(options.labels):
        raise ConfigError("--labels has one name twice: give several values as NAME=1,2.")
    start = time.perf_counter()
    pairs = find_pairs(options, SUFFIXES, folders=False)
    result = evaluate(
        pairs,
        regions,
        ignored=options.ignore,
        prediction_suffix=options.prediction_suffix,
        empty=options.empty,
        distances=options.distances,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(len(pairs), seconds, "volumes"))
    write_number_files(options, result.to_json, result.rows)
