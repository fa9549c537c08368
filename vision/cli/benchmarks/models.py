"""Commands of `vision benchmark` that measure networks of images beside those of others."""

from typing import Any

from vision.benchmarks import detection
from vision.benchmarks.backbones import COMPARED, MODES, measure_backbones
from vision.benchmarks.backbones import Settings as BackboneSettings
from vision.benchmarks.detectors import Settings as DetectorSettings
from vision.benchmarks.detectors import measure_detectors
from vision.benchmarks.peers.table import SOURCES
from vision.benchmarks.peers.upernet import SOURCES as SEGMENTORS
from vision.benchmarks.results import Table
from vision.benchmarks.segmentation import Settings as SegmentationSettings
from vision.benchmarks.segmentation import measure_segmentation
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_against, add_computing


def add_models(add: Add) -> None:
    """The commands `backbones`, `detection` and `segmentation`."""
    parser = add(
        "backbones",
        lambda **options: measure_backbones(BackboneSettings(**options)),
        help="backbones beside other implementations of the same networks",
    )
    parser.add_argument("--names", nargs="+", default=[*COMPARED])
    add_against(parser, SOURCES)
    parser.add_argument(
        "--memory", nargs="+", choices=MODES, default=["fast", "lean"], help="of our training step"
    )
    parser.add_argument("--batch", type=whole(), default=4)
    parser.add_argument("--size", type=whole(), default=224, help="side of the images, in pixels")
    add_computing(parser)
    add_detection(add)
    add_segmentation(add)


def add_detection(add: Add) -> None:
    """The command that measures detectors."""
    parser = add("detection", _measure_detection, help="detectors beside those of others")
    add_against(parser, detection.SOURCES)
    parser.add_argument(
        "--detectors",
        nargs="+",
        metavar="NAME",
        help="in place of --against: inference of the first beside the others, of ours "
        "(dino, dino/hybrid, fcos), torchvision/ and transformers/",
    )
    parser.add_argument("--backbone", default="swin_tiny", help="of ours")
    parser.add_argument("--batch", type=whole(), default=1)
    parser.add_argument("--height", type=whole(), default=800, help="in pixels")
    parser.add_argument("--width", type=whole(), default=1344, help="in pixels")
    parser.add_argument("--objects", type=whole(), default=8, help="per image of a training step")
    parser.add_argument("--queries", type=whole(), default=300, help="of detectors with queries")
    parser.add_argument("--layers", type=whole(), default=6, help="of their decoders")
    add_computing(parser)


def _measure_detection(
    *, detectors: list[str] | None, against: str, objects: int, **options: Any
) -> Table:
    if detectors is not None:
        return measure_detectors(DetectorSettings(detectors=detectors, **options))
    return detection.measure_detection(
        detection.Settings(against=against, objects=objects, **options)
    )


def add_segmentation(add: Add) -> None:
    """The command that measures UPerNet."""
    parser = add(
        "segmentation",
        lambda **options: measure_segmentation(SegmentationSettings(**options)),
        help="UPerNet beside that of others",
    )
    add_against(parser, SEGMENTORS)
    parser.add_argument("--backbone", default="swin_tiny")
    parser.add_argument("--batch", type=whole(2), default=2, help="2 or more")
    parser.add_argument("--size", type=whole(), default=512, help="side of the images, in pixels")
    parser.add_argument("--channels-last", action="store_true", help="on both sides")
    add_computing(parser)
