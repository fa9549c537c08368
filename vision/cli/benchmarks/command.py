"""Measure speed and memory, always both sides in one run.

    vision benchmark imports
    vision benchmark backbones --names swin_tiny convnext_tiny --against timm
    vision benchmark detection --against torchvision
    vision benchmark detection --detectors dino/hybrid dino transformers/rt_detr
    vision benchmark segmentation --against transformers --threads 1
    vision benchmark growth --names convnext_tiny
    vision benchmark eval --images 500 --detections 100
    vision benchmark input --images 256
    vision benchmark detection-input
    vision benchmark segmentation-input --images 16
    vision benchmark annotations
    vision benchmark volumes --sizes 96 --threads 2
    vision benchmark points --voxels 80000
    vision benchmark pillars --pillars 20000 40000 80000 --threads 2
    vision benchmark panoptic --sizes 641 1281
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
less memory), with its 95 % interval. Commands that compute with models share --rounds, --warmup,
--threads, --device, --dtype and --json. growth and pillars have one side, and print how their costs
grow. mean-maps, mean-boxes and thresholds print errors, average precision and Dice instead: what
models of depth, normals, boxes in space and volumes have to beat. check compares counts that no
machine changes (work, memory, operators, graphs, waits, files) with stored ones, and fails where
one has risen. scaling counts what a training step computes and sends, and models its time on many
GPUs.
"""

# The modules of vision/benchmarks say what each command compares; docs/benchmarks.md has figures.

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from vision.benchmarks.results import Table, write_tables
from vision.cli.arguments import check_output_files
from vision.cli.benchmarks.baselines import add_baselines
from vision.cli.benchmarks.engines import add_latency
from vision.cli.benchmarks.evaluation import add_evaluation
from vision.cli.benchmarks.growth import add_growth
from vision.cli.benchmarks.heads import add_heads
from vision.cli.benchmarks.inputs import add_inputs
from vision.cli.benchmarks.models import add_models
from vision.cli.benchmarks.results import add_check, add_tables
from vision.cli.benchmarks.scaling import add_scaling
from vision.cli.benchmarks.scenes import add_scenes
from vision.cli.benchmarks.training import add_training
from vision.cli.ending import command_parser
from vision.machine import find_device
from vision.outputs import check_output_file


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

    add_training(add)
    add_inputs(add)
    add_models(add)
    add_growth(add)
    add_evaluation(add)
    add_scenes(add)
    add_heads(add)
    add_latency(add)
    add_scaling(add)
    add_baselines(add)
    add_check(add)
    add_tables(add)
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
        command = shlex.join(["vision", "benchmark", *_without_file(words)])
        write_tables([dataclasses.replace(found, command=command)], file)
    return found if isinstance(found, int) else 0


def _without_file(words: Sequence[str]) -> list[str]:
    """A command line without `--json FILE`: a stored result holds no path of its machine."""
    kept, rest = [], iter(words)
    for word in rest:
        if word == "--json":
            next(rest)
        elif not word.startswith("--json="):
            kept.append(word)
    return kept
