"""Commands of `vision benchmark` that measure data on its way to a batch."""

import argparse
from pathlib import Path

from vision.benchmarks.annotations import IMAGES, OBJECTS, measure_annotations
from vision.benchmarks.detection_input import measure_detection_input
from vision.benchmarks.input import measure_input
from vision.benchmarks.segmentation_input import measure_segmentation_input
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_json, add_rounds
from vision.options import MAX_PROCESSES


def add_inputs(add: Add) -> None:
    """Commands that measure data on its way to a batch."""
    parser = add("input", measure_input, help="from JPEG files to augmented training images")
    parser.add_argument("--images", type=whole(), default=96)
    parser.add_argument("--quality", type=whole(1, 100), default=92, help="of the JPEG files")
    parser.add_argument(
        "--workers", type=whole(0, MAX_PROCESSES), default=0, help="also through DataLoaders"
    )
    _add_common(parser)
    for name, measure in (
        ("detection-input", measure_detection_input),
        ("segmentation-input", measure_segmentation_input),
    ):
        parser = add(name, measure, help="the same with boxes and masks")
        parser.add_argument("--images", type=whole(), default=24)
        _add_common(parser)
    parser = add("annotations", measure_annotations, help="a COCO file in memory")
    parser.add_argument("--images", type=whole(), default=IMAGES)
    parser.add_argument("--objects", type=whole(), default=OBJECTS)
    parser.add_argument("--workers", type=whole(0, MAX_PROCESSES), default=2, help="forked readers")
    parser.add_argument("--folder", type=Path, help="where to make the file (2 GB); default: /tmp")


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options of all inputs; one thread, as a worker has."""
    parser.add_argument(
        "--threads", type=whole(1, MAX_PROCESSES), default=1, help="of PyTorch and OpenCV"
    )
    add_rounds(parser, 11)
    add_json(parser)
