"""Values on the command line of a tool: their ranges, checked while they are parsed."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.documents.text import read_lines
from vision.errors import ConfigError
from vision.options import MAX_COUNT, MAX_PROCESSES
from vision.outputs import check_output_file
from vision.reading import MAX_SETTINGS_BYTES
from vision.workers import default_threads


def whole(minimum: int = 1, maximum: int = MAX_COUNT) -> Callable[[str], int]:
    """A type for `argparse`: a whole number in a range, both ends included."""

    def read(text: str) -> int:
        digits = text.removeprefix("-")
        # Longer texts are no sensible numbers, and slow or refused to be read.
        value = int(text) if digits.isdecimal() and len(digits) < 20 else None
        if value is None or not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                f"{text[:40]!r} is not a whole number from {minimum:,} to {maximum:,}"
            )
        return value

    return read


def real(minimum: float, maximum: float) -> Callable[[str], float]:
    """A type for `argparse`: a number in a range, both ends included; NaN is in none."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                f"{text[:40]!r} is not a number from {minimum:g} to {maximum:g}"
            )
        return value

    return read


def tile(text: str) -> int | tuple[int, int]:
    """A type for `argparse`: a side in pixels, or height and width as in `768x1024`."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < len(side) < 7 for side in sides):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a tile: expected a side in pixels, such as 1024, or HEIGHTxWIDTH"
        )
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def device(text: str) -> str:
    """A type for `argparse`: a device that this machine has, such as `"cpu"` or `"cuda:1"`."""
    from vision.machine import find_device

    try:
        return str(find_device(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def task_class(text: str) -> type:
    """A type for `argparse`: a task of one's own by its import path, `package.module:Class`.

    Only what a person types is imported so; `end` lets it be in the current folder.
    """
    from vision.task_parts import resolve_part
    from vision.tasks.base import BaseTask

    try:
        found = resolve_part(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not isinstance(found, type) or not issubclass(found, BaseTask):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a task: a subclass of vision.tasks.BaseTask"
        )
    return found


def add_task(parser: Any) -> None:
    """Add the option `--task` to a parser of `argparse`."""
    parser.add_argument(
        "--task",
        type=task_class,
        metavar="PACKAGE.MODULE:CLASS",
        help="class of the model's task if it is not one of the suite's; it is imported",
    )


def add_device(parser: Any) -> None:
    """Add the option `--device` to a parser of `argparse`."""
    parser.add_argument(
        "--device", type=device, help="such as cuda or cpu; by default a GPU if there is one"
    )


def add_number_files(parser: Any, rows: str) -> None:
    """Add the options `--json` and `--csv`, for the numbers of an evaluation.

    Args:
        parser: Of `argparse`.
        rows: What the rows of the CSV file are, in the plural.
    """
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help=f"write the {rows} as CSV")


def write_number_files(
    options: argparse.Namespace,
    numbers: Callable[[], Any],
    rows: Callable[[], Sequence[Mapping[str, Any]]],
) -> None:
    """Write the files of `add_number_files` that were asked for.

    Args:
        options: The parsed options.
        numbers: Gives what the JSON file holds.
        rows: Gives the rows of the CSV file.
    """
    from vision.metrics.coco.files import write_categories, write_json

    if options.json:
        write_json(numbers(), options.json)
    if options.csv:
        write_categories(rows(), options.csv)


def add_suffixes(parser: Any, before: str) -> None:
    """Add the options `--annotation-suffix` and `--prediction-suffix`, which choose files.

    Args:
        parser: Of `argparse`.
        before: What follows the suffix in a name, such as `".png"`.
    """
    for name in ("annotation", "prediction"):
        parser.add_argument(
            f"--{name}-suffix",
            default="",
            metavar="TEXT",
            help=f"end of the names of {name}s, before {before}; other files are left out",
        )


def find_pairs(
    options: argparse.Namespace, extensions: tuple[str, ...] = (".png",), *, folders: bool = True
) -> Any:
    """The files of both folders that belong together, by the options of `add_suffixes`.

    Args:
        options: The parsed options, with the folders `annotations` and `predictions`.
        extensions: Extensions of the files.
        folders: Whether files are in the same sub-folders; otherwise they only have the same names.

    Raises:
        DataError: As in `pair_files`.
    """
    from vision.metrics.file_pairs import pair_files

    return pair_files(
        options.annotations,
        options.predictions,
        annotation_suffix=options.annotation_suffix,
        prediction_suffix=options.prediction_suffix,
        extensions=extensions,
        folders=folders,
    )


def class_names_of(options: argparse.Namespace) -> list[str] | None:
    """The names of `--classes`, or those in the lines of the file that it names; None without it.

    Raises:
        DataError: The file cannot be read.
    """
    names: list[str] | None = options.classes
    if names is not None and len(names) == 1 and Path(names[0]).is_file():
        return read_lines(names[0], max_bytes=MAX_SETTINGS_BYTES, what="file of classes")
    return names


def add_batches(parser: Any) -> None:
    """Add the options `--batch-size`, `--precision` and `--workers` of a prediction."""
    parser.add_argument("--batch-size", type=whole(), default=8, help="images at once (8)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the numbers in the model (float32)",
    )
    parser.add_argument("--workers", type=whole(0, MAX_PROCESSES), help="threads that read images")


def add_workers(parser: Any) -> None:
    """Add the option `--workers`, a number of threads, to a parser of `argparse`."""
    parser.add_argument(
        "--workers",
        type=whole(0, MAX_PROCESSES),
        default=default_threads(),
        help="threads that read files",
    )


def choose_device(given: str | None) -> str:
    """The device of `--device`, or else a GPU if there is one."""
    import torch

    return given or ("cuda" if torch.cuda.is_available() else "cpu")


def check_output_files(options: argparse.Namespace, *names: str) -> None:
    """Check that the files that were asked for can be written.

    Args:
        options: The parsed options.
        names: Options that take the path of a file, such as `"json"`; absent ones are skipped.

    Raises:
        ConfigError: One cannot.
    """
    for name in names:
        if getattr(options, name, None) is not None:
            check_output_file(getattr(options, name), option=f"--{name}")
