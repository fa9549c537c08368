"""The command of `vision benchmark` that measures COCO's evaluation."""

from typing import get_args

from vision.benchmarks.evaluation import Settings, measure_evaluation
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_json, add_rounds
from vision.metrics.coco.evaluation import Kind


def add_evaluation(add: Add) -> None:
    """The command `eval`."""
    kinds = get_args(Kind)
    parser = add(
        "eval",
        lambda **options: measure_evaluation(Settings(**options)),
        help="COCO's evaluation of boxes and masks beside pycocotools'",
    )
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=[*kinds])
    parser.add_argument("--images", type=whole(), default=500)
    parser.add_argument("--detections", type=whole(), default=100, help="of an image")
    add_rounds(parser, 3)
    parser.add_argument("--warmup", type=whole(0), default=1, help="rounds before them")
    add_json(parser)
