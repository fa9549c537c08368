"""The command of `vision benchmark` that measures how costs grow with the size of images."""

from vision.benchmarks.backbones import COMPARED, MODES
from vision.benchmarks.growth import KEPT_SIDES, TIMED_SIDES, Settings, measure_growth
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_computing


def add_growth(add: Add) -> None:
    """The command `growth`."""
    parser = add(
        "growth",
        lambda **options: measure_growth(Settings(**options)),
        help="memory and time of backbones as images grow",
    )
    parser.add_argument("--names", nargs="+", default=[*COMPARED])
    parser.add_argument(
        "--memory", nargs="+", choices=MODES, default=["fast"], help="whose kept bytes are counted"
    )
    parser.add_argument(
        "--kept-sides",
        nargs="+",
        type=whole(32),
        default=[*KEPT_SIDES],
        help="of the images whose kept bytes are counted, in pixels",
    )
    parser.add_argument(
        "--sides",
        nargs="+",
        type=whole(32),
        default=[*TIMED_SIDES],
        help="of the images that are timed, in pixels",
    )
    add_computing(parser)
