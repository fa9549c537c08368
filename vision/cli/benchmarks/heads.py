"""Commands of `vision benchmark` that measure heads with each backbone."""

import argparse
from collections.abc import Sequence
from typing import Any

from vision.benchmarks.depth import measure_depth_heads
from vision.benchmarks.detection3d import BESIDE, measure_detection3d
from vision.benchmarks.heads import Settings as HeadSettings
from vision.benchmarks.panoptic import PostSettings, measure_panoptic
from vision.benchmarks.results import Table
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_computing

# The smallest published variant of each family.
TINY = [
    *("swin_tiny", "cswin_tiny", "cvt_13", "tnt_small", "rmt_tiny", "hornet_tiny_7x7"),
    "convnext_tiny",
]


def add_heads(add: Add) -> None:
    """Commands that measure heads with each backbone."""
    parser = add(
        "depth",
        lambda **options: measure_depth_heads(head_settings(**options)),
        help="the heads of depth and their training steps",
    )
    add_head_options(parser)
    add_sizes(parser)
    parser = add(
        "detection3d",
        lambda *, image, **options: measure_detection3d(
            HeadSettings(sizes=[tuple(image)], beside=BESIDE, **options)
        ),
        help="MonoDETR's head and its training step; overlaps in space",
    )
    add_head_options(parser)
    add_image(parser, [384, 1280])
    parser = add("panoptic", _measure_panoptic, help="kMaX-DeepLab's head and its post-processing")
    add_head_options(parser)
    add_sizes(parser)
    add_image(parser, [1024, 2048])
    parser.add_argument("--queries", type=whole(), default=256, help="of the post-processing")
    parser.add_argument("--stride", type=whole(), default=4, help="pixels per cell of its masks")


def _measure_panoptic(*, image: list[int], queries: int, stride: int, **heads: Any) -> Table:
    height, width = image
    post = PostSettings(height=height, width=width, queries=queries, stride=stride)
    return measure_panoptic(head_settings(**heads), post)


def add_head_options(parser: argparse.ArgumentParser) -> None:
    """Options of the measurement of heads."""
    parser.add_argument("--backbones", nargs="+", default=TINY)
    parser.add_argument("--batch", type=whole(), default=1, help="images of a training step")
    parser.add_argument("--compile", action="store_true", help="also eager against torch.compile")
    add_computing(parser)


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The option of square images."""
    parser.add_argument("--sizes", nargs="+", type=whole(), default=[641], help="in pixels")


def add_image(parser: argparse.ArgumentParser, size: list[int]) -> None:
    """The option of one image that need not be square."""
    parser.add_argument(
        "--image", nargs=2, type=whole(), default=size, metavar=("H", "W"), help="in pixels"
    )


def head_settings(*, sizes: Sequence[int], **options: Any) -> HeadSettings:
    """Settings of the measurement of heads on square images."""
    return HeadSettings(sizes=[(side, side) for side in sizes], **options)
