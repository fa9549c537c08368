"""The command of `vision benchmark` that models training on many GPUs."""

from pathlib import Path
from typing import Any

from vision.benchmarks.cluster import STRATEGIES, Cluster
from vision.benchmarks.scaling import Settings as ScalingSettings
from vision.benchmarks.scaling import measure_scaling
from vision.cli.arguments import real, whole
from vision.cli.benchmarks.options import Add


def add_scaling(add: Add) -> None:
    """The command that models training on many GPUs."""
    parser = add("scaling", _measure_scaling, help="efficiency of a training step on many GPUs")
    parser.add_argument("name", metavar="BACKBONE")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=[*STRATEGIES])
    parser.add_argument("--devices", nargs="+", type=whole(), default=[1, 8, 64, 256, 1024])
    parser.add_argument("--batch", type=whole(), default=128, help="images per GPU and step")
    parser.add_argument("--global-batch", type=whole(), help="of all GPUs, in place of --batch")
    parser.add_argument("--size", type=whole(32), default=224, help="side of the images, in pixels")
    default = Cluster()
    positive = real(1e-6, 1e9)
    parser.add_argument("--gpu-tflops", type=positive, default=default.gpu_tflops)
    parser.add_argument(
        "--utilization", type=real(1e-3, 1), default=default.utilization, help="share of its peak"
    )
    parser.add_argument("--node-size", type=whole(), default=default.node_size, help="in GPUs")
    parser.add_argument(
        "--node-gbytes", type=positive, default=default.node_gbytes, help="GB/s inside a node"
    )
    parser.add_argument(
        "--link-gbps", type=positive, default=default.link_gbps, help="Gbit/s per GPU between nodes"
    )
    parser.add_argument(
        "--jitter", type=real(0, 1), default=default.jitter, help="of a GPU's time, as a share"
    )
    parser.add_argument(
        "--images-per-core", type=positive, default=100.0, help="decoded and augmented per second"
    )
    parser.add_argument("--disk-gbytes", type=positive, default=1.0, help="GB/s for checkpoints")
    parser.add_argument(
        "--processes", type=whole(0, 16), default=0, help="count collectives over gloo; 0: do not"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")


def _measure_scaling(
    *,
    gpu_tflops: float,
    utilization: float,
    node_size: int,
    node_gbytes: float,
    link_gbps: float,
    jitter: float,
    **options: Any,
) -> None:
    cluster = Cluster(
        gpu_tflops=gpu_tflops,
        utilization=utilization,
        node_size=node_size,
        node_gbytes=node_gbytes,
        link_gbps=link_gbps,
        jitter=jitter,
    )
    measure_scaling(ScalingSettings(cluster=cluster, **options))
