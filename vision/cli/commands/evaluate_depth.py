"""`vision evaluate depth`: two folders of depth maps."""

import argparse
import time
from pathlib import Path
from typing import Any

from vision.cli.arguments import (
    add_number_files,
    add_suffixes,
    add_workers,
    find_pairs,
    real,
    write_number_files,
)
from vision.errors import ConfigError
from vision.metrics.depth_protocol import CROPS, SCALES, DepthProtocol
from vision.wording import timed

# Values that no depth has.
MAX_METRES, MAX_SCALE = 1e6, 1e6


def add_depth(commands: Any) -> None:
    """Add the command `depth` to the parsers of argparse."""
    parser = commands.add_parser("depth", help="depth maps: 16-bit PNG files, or .npy in metres")
    parser.add_argument("--annotations", required=True, type=Path, help="folder of what is right")
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    for name in ("annotation", "prediction"):
        parser.add_argument(
            f"--{name}-scale",
            type=real(1e-6, MAX_SCALE),
            metavar="VALUE",
            help=f"value of one metre in PNG files of {name}s that do not state it: 256 in KITTI,"
            " 1000 in millimetres",
        )
    add_suffixes(parser, "the extension")
    for name, default, text in (("min", 1e-3, "above"), ("max", 10.0, "below")):
        parser.add_argument(
            f"--{name}",
            type=real(1e-6, MAX_METRES),
            default=default,
            metavar="METRES",
            help=f"depths {text} it count; {default:g} by default",
        )
    parser.add_argument(
        "--crop", choices=CROPS, default="none", help="part of the image that counts"
    )
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="none",
        help="for models without metric scale: fit each prediction by the quotient of medians, or"
        " by a factor and a shift",
    )
    parser.add_argument(
        "--resize",
        action="store_true",
        help="resize predictions bilinearly to the size of their annotations",
    )
    add_number_files(parser, "images")
    add_workers(parser)
    parser.set_defaults(run=evaluate_depth)


def evaluate_depth(options: argparse.Namespace) -> None:
    """Compare two folders of depth maps, print the numbers, write the files."""
    from vision.metrics.depth_files import evaluate_depth as evaluate
    from vision.ops.depth_maps import EXTENSIONS

    if options.max <= options.min:
        raise ConfigError(f"--max {options.max:g} must be above --min {options.min:g}.")
    start = time.perf_counter()
    protocol = DepthProtocol(
        min_depth=options.min, max_depth=options.max, crop=options.crop, scale=options.scale
    )
    pairs = find_pairs(options, EXTENSIONS)
    result = evaluate(
        pairs,
        protocol,
        annotation_scale=options.annotation_scale,
        prediction_scale=options.prediction_scale,
        resize=options.resize,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(len(pairs), seconds, "images"))
    write_number_files(options, result.to_json, result.rows)
