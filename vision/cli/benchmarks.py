"""Measure speed and memory, always both sides in one run.

    vision benchmark imports
    vision benchmark backbones --names swin_tiny convnext_tiny --batch 4
    vision benchmark input --images 256
    vision benchmark detection-input
    vision benchmark segmentation-input --images 16
    vision benchmark annotations
    vision benchmark detection --rounds 3
    vision benchmark detection --detectors dino/hybrid dino transformers/rt_detr
    vision benchmark segmentation --batch 2 --threads 1
    vision benchmark volumes --sizes 96 --threads 2
    vision benchmark points --voxels 80000
    vision benchmark pillars --pillars 20000 40000 80000 --threads 2
    vision benchmark panoptic --sizes 641
    vision benchmark depth --sizes 641 --batch 1
    vision benchmark detection3d --image 384 1280
    vision benchmark latency convnext_tiny --threads 2 --json latency.json
    vision benchmark loop --rounds 20
    vision benchmark check
    vision benchmark tables --from docs/benchmarks/*.json
    vision benchmark scaling swin_tiny --batch 128 --processes 2
    vision benchmark mean-maps --root data/nyuv2_samples
    vision benchmark mean-boxes --root data/kitti_samples
    vision benchmark thresholds BraTS -- --root data/brats_samples

The sides take turns; what is printed are medians and their ratio (above 1: ours is faster, or keeps
less memory). pillars has one side, and prints how its time grows. mean-maps, mean-boxes and
thresholds print errors, average precision and Dice instead: what models of depth, normals, boxes in
space and volumes have to beat. check compares counts that no machine changes (work, memory,
operators, graphs, files) with stored ones, and fails where one has risen. scaling counts what a
training step computes and sends, and models its time on many GPUs.
"""

# The modules of vision/benchmarks say what each command compares; docs/benchmarks.md has figures.

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from vision.benchmarks.annotations import IMAGES, OBJECTS, measure_annotations
from vision.benchmarks.backbones import COMPARED, MODES, measure_backbones
from vision.benchmarks.backbones import Settings as BackboneSettings
from vision.benchmarks.cluster import STRATEGIES, Cluster
from vision.benchmarks.depth import measure_depth_heads
from vision.benchmarks.detection import measure_detection
from vision.benchmarks.detection3d import BESIDE, measure_detection3d
from vision.benchmarks.detection_input import measure_detection_input
from vision.benchmarks.detectors import Settings as DetectorSettings
from vision.benchmarks.detectors import measure_detectors
from vision.benchmarks.heads import Settings as HeadSettings
from vision.benchmarks.height_colour import measure_height_colour
from vision.benchmarks.imports import measure_imports
from vision.benchmarks.input import measure_input
from vision.benchmarks.latency import ENGINES, measure_latency
from vision.benchmarks.latency import Settings as LatencySettings
from vision.benchmarks.loop import Blocks, measure_loop
from vision.benchmarks.mean_boxes import measure_mean_boxes
from vision.benchmarks.mean_maps import measure_mean_maps
from vision.benchmarks.panoptic import PostSettings, measure_panoptic
from vision.benchmarks.peers.table import SOURCES
from vision.benchmarks.pillars import Settings as PillarSettings
from vision.benchmarks.pillars import measure_pillars
from vision.benchmarks.points import Settings as PointSettings
from vision.benchmarks.points import measure_points
from vision.benchmarks.results import Table, write_tables
from vision.benchmarks.scaling import Settings as ScalingSettings
from vision.benchmarks.scaling import measure_scaling
from vision.benchmarks.segmentation import Settings as SegmentationSettings
from vision.benchmarks.segmentation import measure_segmentation
from vision.benchmarks.segmentation_input import measure_segmentation_input
from vision.benchmarks.thresholds import measure_thresholds
from vision.benchmarks.volumes import Settings as VolumeSettings
from vision.benchmarks.volumes import measure_volumes
from vision.cli.app import run
from vision.cli.arguments import check_output_files, choose_device, real, whole
from vision.cli.benchmark_results import add_check, add_tables
from vision.cli.dataset_options import build_dataset
from vision.cli.ending import command_parser
from vision.machine import find_device
from vision.options import MAX_PROCESSES
from vision.outputs import check_output_file
from vision.program import command

# The smallest published variant of each family.
TINY = [
    *("swin_tiny", "cswin_tiny", "cvt_13", "tnt_small", "rmt_tiny", "hornet_tiny_7x7"),
    "convnext_tiny",
]
QUICKSTART = "classification/digits/convnext_linear"


def add_rounds(parser: argparse.ArgumentParser, rounds: int, warmup: int | None = None) -> None:
    """Options of how often and where to measure; a warm-up only for steps on a device."""
    parser.add_argument("--rounds", type=whole(), default=rounds)
    if warmup is not None:
        parser.add_argument("--warmup", type=whole(0), default=warmup)
        parser.add_argument("--device", default=choose_device(None))


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of a file of results, for commands that return a table."""
    parser.add_argument(
        "--json", dest="results", type=Path, metavar="FILE", help="write all figures"
    )


def add_inputs(add: Callable[..., Any]) -> None:
    """Commands that measure data on its way to a batch."""
    parser = add("input", measure_input, help="from JPEG files to augmented training images")
    parser.add_argument("--images", type=whole(), default=256)
    parser.add_argument("--quality", type=whole(1, 100), default=92, help="of the JPEG files")
    parser.add_argument(
        "--workers", type=whole(0, MAX_PROCESSES), default=0, help="also through DataLoaders"
    )
    add_rounds(parser, 5)
    for name, measure in (
        ("detection-input", measure_detection_input),
        ("segmentation-input", measure_segmentation_input),
    ):
        parser = add(name, measure, help="the same with boxes and masks")
        parser.add_argument("--images", type=whole(), default=32)
        add_rounds(parser, 5)
    parser = add("annotations", measure_annotations, help="a COCO file in memory")
    parser.add_argument("--images", type=whole(), default=IMAGES)
    parser.add_argument("--objects", type=whole(), default=OBJECTS)
    parser.add_argument("--workers", type=whole(0, MAX_PROCESSES), default=2, help="forked readers")
    parser.add_argument("--folder", type=Path, help="where to make the file (2 GB); default: /tmp")


def add_means(add: Callable[..., Any]) -> None:
    """The commands that measure errors, not speed: of simple rules, beside which models stand."""
    parser = add("mean-maps", measure_mean_maps, help="errors of the mean depth and mean normals")
    parser.add_argument("--root", type=Path, required=True, help="a dataset in NYUv2's layout")
    parser = add("mean-boxes", measure_mean_boxes, help="AP of mean boxes at true rectangles")
    parser.add_argument("--root", type=Path, required=True, help="a dataset in KITTI's layout")
    parser = add("thresholds", _measure_thresholds, help="Dice of thresholds of single modalities")
    parser.add_argument("name", metavar="DATASET", help="of volumes, such as BraTS")
    parser.add_argument("options", nargs="*", help="its options, after -- (-- --root FOLDER)")
    parser = add("height-colour", _measure_height_colour, help="mIoU of heights and colours alone")
    parser.add_argument("name", metavar="DATASET", help="of points, such as S3DIS")
    parser.add_argument("options", nargs="*", help="its options, after -- (-- --root FOLDER)")


def _measure_height_colour(*, name: str, options: Sequence[str]) -> None:
    usage = f"{command('benchmark')} height-colour DATASET -- --root FOLDER"
    measure_height_colour(data=build_dataset(name, options, usage=usage, begins=f"read {name}"))


def _measure_thresholds(*, name: str, options: Sequence[str]) -> None:
    usage = f"{command('benchmark')} thresholds DATASET -- --root FOLDER"
    measure_thresholds(data=build_dataset(name, options, usage=usage, begins=f"read {name}"))


def add_models(add: Callable[..., Any]) -> None:
    """Commands that measure models."""
    parser = add(
        "backbones",
        lambda **options: measure_backbones(BackboneSettings(**options)),
        help="backbones beside other implementations of the same networks",
    )
    parser.add_argument("--names", nargs="+", default=[*COMPARED])
    parser.add_argument(
        "--against", choices=(*SOURCES, "all"), default="all", help="whose implementations"
    )
    parser.add_argument(
        "--memory", nargs="+", choices=MODES, default=["fast", "lean"], help="of our training step"
    )
    parser.add_argument("--batch", type=whole(), default=4)
    parser.add_argument("--size", type=whole(), default=224)
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    add_json(parser)
    add_rounds(parser, 7, 2)
    add_detection(add)
    parser = add(
        "segmentation",
        lambda **options: measure_segmentation(SegmentationSettings(**options)),
        help="UPerNet against mmsegmentation's",
    )
    parser.add_argument("--backbone", default="swin_tiny")
    parser.add_argument("--batch", type=whole(), default=2, help="2 or more")
    parser.add_argument("--size", type=whole(), default=512, help="side of the images, in pixels")
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true", help="on both sides")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    add_rounds(parser, 5, 1)
    parser = add(
        "volumes",
        lambda **options: measure_volumes(VolumeSettings(**options)),
        help="Swin UNETR against MONAI's",
    )
    parser.add_argument("--feature-size", type=whole(), default=48)
    parser.add_argument("--sizes", nargs="+", type=whole(32), default=[96], help="sides, in cells")
    parser.add_argument("--batch", type=whole(), default=1)
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    add_rounds(parser, 5, 1)
    parser = add(
        "points",
        lambda **options: measure_points(PointSettings(**options)),
        help="Swin3D on a room of points, and two forms of its attention",
    )
    parser.add_argument("--names", nargs="+", default=["swin3d_small", "swin3d_large"])
    parser.add_argument("--voxels", type=whole(100), default=80_000, help="of the room")
    parser.add_argument(
        "--attention", type=whole(0), default=10_000, help="voxels to compare the attention; or 0"
    )
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    add_rounds(parser, 1, 0)
    parser = add(
        "pillars",
        lambda **options: measure_pillars(PillarSettings(**options)),
        help="FlatFormer's encoder over more and more pillars",
    )
    parser.add_argument("--pillars", nargs="+", type=whole(), default=[20_000, 40_000, 80_000])
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    add_rounds(parser, 5, 1)


def add_detection(add: Callable[..., Any]) -> None:
    """The command that measures detectors."""
    parser = add("detection", _measure_detection, help="detectors against those of others")
    parser.add_argument(
        "--detectors",
        nargs="+",
        metavar="NAME",
        help="inference of ours (dino, dino/hybrid, fcos), torchvision/ and transformers/; "
        "default: Mask R-CNN against torchvision's, and its training",
    )
    parser.add_argument("--backbone", default="swin_tiny", help="of ours")
    parser.add_argument("--batch", type=whole(), default=1)
    parser.add_argument("--height", type=whole(), default=800)
    parser.add_argument("--width", type=whole(), default=1344)
    parser.add_argument("--objects", type=whole(), default=8, help="per image of a training step")
    parser.add_argument("--queries", type=whole(), default=300, help="of --detectors")
    parser.add_argument("--layers", type=whole(), default=6, help="of their decoders")
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    add_rounds(parser, 5, 1)


def _measure_detection(
    *,
    detectors: list[str] | None,
    objects: int,
    queries: int,
    layers: int,
    threads: int,
    **options: Any,
) -> None:
    if detectors is None:
        torch.set_num_threads(threads)
        measure_detection(objects=objects, **options)
        return
    measure_detectors(
        DetectorSettings(
            detectors=detectors, queries=queries, layers=layers, threads=threads, **options
        )
    )


def add_heads(add: Callable[..., Any]) -> None:
    """Commands that measure heads with each backbone."""
    parser = add(
        "depth",
        lambda **options: measure_depth_heads(head_settings(**options)),
        help="the heads of depth and their training steps",
    )
    add_head_options(parser)
    add_sizes(parser)
    add_rounds(parser, 3, 1)
    parser = add(
        "detection3d",
        lambda *, image, **options: measure_detection3d(
            HeadSettings(sizes=[tuple(image)], beside=BESIDE, **options)
        ),
        help="MonoDETR's head and its training step; overlaps in space",
    )
    add_head_options(parser)
    add_image(parser, [384, 1280])
    add_rounds(parser, 3, 1)
    parser = add("panoptic", _measure_panoptic, help="kMaX-DeepLab's head and its post-processing")
    add_head_options(parser)
    add_sizes(parser)
    add_image(parser, [1024, 2048])
    parser.add_argument("--queries", type=whole(), default=256, help="of the post-processing")
    parser.add_argument("--stride", type=whole(), default=4, help="pixels per cell of its masks")
    add_rounds(parser, 5, 1)


def _measure_panoptic(
    *, image: list[int], queries: int, stride: int, rounds: int, warmup: int, **heads: Any
) -> None:
    settings = head_settings(rounds=rounds, warmup=warmup, **heads)
    height, width = image
    post = PostSettings(
        height=height, width=width, queries=queries, stride=stride, rounds=rounds, warmup=warmup
    )
    measure_panoptic(settings, post)


def add_head_options(parser: argparse.ArgumentParser) -> None:
    """Options of the measurement of heads."""
    parser.add_argument("--backbones", nargs="+", default=TINY)
    parser.add_argument("--batch", type=whole(), default=1, help="images of a training step")
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--compile", action="store_true", help="also eager against torch.compile")


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The option of square images."""
    parser.add_argument("--sizes", nargs="+", type=whole(), default=[641, 1281], help="in pixels")


def add_image(parser: argparse.ArgumentParser, size: list[int]) -> None:
    """The option of one image that need not be square."""
    parser.add_argument(
        "--image", nargs=2, type=whole(), default=size, metavar=("H", "W"), help="in pixels"
    )


def head_settings(*, sizes: Sequence[int], **options: Any) -> HeadSettings:
    """Settings of the measurement of heads on square images."""
    return HeadSettings(sizes=[(side, side) for side in sizes], **options)


def add_latency(add: Callable[..., Any]) -> None:
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
    parser.add_argument("--threads", type=whole(1, MAX_PROCESSES), help="default: PyTorch's choice")
    add_json(parser)
    add_rounds(parser, 50, 5)


def add_scaling(add: Callable[..., Any]) -> None:
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


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("benchmark", __doc__)
    commands = parser.add_subparsers(required=True)

    def add(
        name: str, measure: Callable[..., int | Table | None], *, help: str
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(name, help=help)
        command.set_defaults(measure=measure)
        return command

    imports = add(
        "imports",
        measure_imports,
        help="import times and the command's help",
    )
    add_rounds(imports, 5)
    add_inputs(add)
    add_models(add)
    add_heads(add)
    add_latency(add)
    add_scaling(add)
    add_means(add)
    add_check(add)
    add_tables(add)

    def fit(words: Sequence[str], blocks: Blocks) -> None:
        run("fit", words, callbacks=[blocks])

    loop = add(
        "loop",
        lambda **options: measure_loop(fit, **options),
        help="a training step against a bare loop's",
    )
    loop.add_argument("--config", type=Path, default=QUICKSTART, help="of fit")
    loop.add_argument("--rounds", type=whole(), default=20, help="pairs of blocks")
    loop.add_argument("--steps", type=whole(), default=10, help="optimiser steps of a block")
    add_json(loop)
    loop.add_argument(
        "options", nargs="*", help="options of fit, after -- (-- --data.batch_size 8)"
    )
    return parser


def measure(arguments: argparse.Namespace, words: Sequence[str] = ()) -> int:
    """Run a benchmark.

    Args:
        arguments: The parsed options.
        words: Those that they were parsed from, for the file of results.

    Returns:
        The exit status.
    """
    find_device(getattr(arguments, "device", "cpu"))
    check_output_files(arguments, "json")
    options = vars(arguments)
    file: Path | None = options.pop("results", None)
    if file is not None:
        check_output_file(file, option="--json")
    found: int | Table | None = options.pop("measure")(**options)
    if isinstance(found, Table) and file is not None:
        command = shlex.join(["vision", "benchmark", *words])
        write_tables([dataclasses.replace(found, command=command)], file)
    return found if isinstance(found, int) else 0
