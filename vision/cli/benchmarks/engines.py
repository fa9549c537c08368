"""The command of `vision benchmark` that measures one model in several engines."""

from pathlib import Path

from vision.benchmarks.engines import ENGINES
from vision.benchmarks.latency import Settings as LatencySettings
from vision.benchmarks.latency import measure_latency
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_computing


def add_latency(add: Add) -> None:
    """The command that measures one model in several engines."""
    parser = add(
        "latency",
        lambda **options: measure_latency(LatencySettings(**options)),
        help="a model in several engines",
    )
    parser.add_argument("model", help="name of a backbone, or what vision.load takes")
    parser.add_argument("--engines", nargs="+", choices=[*ENGINES], default=[*ENGINES])
    parser.add_argument("--int8", type=Path, metavar="FILE", help="written by the command quantize")
    parser.add_argument(
        "--outputs", choices=("embedding", "features"), default="embedding", help="of a backbone"
    )
    parser.add_argument("--size", nargs="+", type=whole(), metavar="SIDE", help="H W, or D H W")
    parser.add_argument("--max-batch", type=whole(), default=64, help="1 measures latency only")
    # Percentiles need many calls; what is exported computes in float32.
    add_computing(parser, rounds=50, warmup=5, dtypes=())
