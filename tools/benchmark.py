"""Measure speed and memory, always both sides in one run.

    python tools/benchmark.py imports
    python tools/benchmark.py backbones --names swin_tiny convnext_tiny --batch 4
    python tools/benchmark.py input --images 256
    python tools/benchmark.py detection --rounds 3
    python tools/benchmark.py segmentation --batch 2 --threads 1
    python tools/benchmark.py latency convnext_tiny --threads 2 --json latency.json
    python tools/benchmark.py training --rounds 20

`backbones` compares each backbone with the implementation of timm or transformers of the same
network, alternating between the two, and prints medians and their ratio (above 1: ours is faster,
or keeps less memory). `input` compares the pipeline from JPEG files to training images with timm's
and torchvision's (tools/benchmark_input.py). `detection` compares Mask R-CNN with torchvision's
(tools/benchmark_detection.py), `segmentation` UPerNet with mmsegmentation's
(tools/benchmark_segmentation.py). `latency` times one model in several engines, at batch 1 and at
the batch of the best throughput (tools/benchmark_latency.py). `training` compares a step of
`train.py fit` with the same step in a bare loop (tools/benchmark_training.py). Figures for
docs/benchmarks.md come from here.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from benchmark_detection import measure_detection
from benchmark_input import measure_input
from benchmark_latency import add_latency, measure_latency
from benchmark_segmentation import measure_segmentation
from benchmark_training import QUICKSTART, measure_training
from torch import Tensor, nn

from vision import create_backbone
from vision.cli.arguments import whole
from vision.cli.ending import Parser, end
from vision.machine import cpu_name, find_device, list_versions
from vision.options import MAX_PROCESSES
from vision.outputs import check_output_file

ROOT = Path(__file__).parents[1]
TIMM_NAMES = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "swin_base": "swin_base_patch4_window7_224",
    "convnext_tiny": "convnext_tiny",
    "convnext_base": "convnext_base",
    "tnt_small": "tnt_s_patch16_224",
    "tnt_base": "tnt_b_patch16_224",
}


class TimmEmbedding(nn.Module):
    """The other side: the same vector from timm's model."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm

        self.model = timm.create_model(name, num_classes=0)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model(images)


class HuggingFaceCvt(nn.Module):
    """The other side for CvT: the class token of transformers' model."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import CvtConfig, CvtModel

        self.model = CvtModel(CvtConfig())

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model(images).cls_token_value[:, 0]


class Embedding(nn.Module):
    """Our side: `embed` as a module's call."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = create_backbone(name)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model.embed(images)


def other_side(name: str) -> nn.Module | None:
    """The same network by timm or transformers, if one of them has it."""
    if name in TIMM_NAMES:
        return TimmEmbedding(TIMM_NAMES[name])
    return HuggingFaceCvt() if name == "cvt_13" else None


def inference(model: nn.Module, images: Tensor) -> None:
    """One forward pass without gradients."""
    with torch.inference_mode():
        model(images)


def training(model: nn.Module, images: Tensor) -> None:
    """One forward and backward pass."""
    model.zero_grad(set_to_none=True)
    model(images).square().mean().backward()


def seconds(step: Callable[[nn.Module, Tensor], None], model: nn.Module, images: Tensor) -> float:
    """Wall time of one step, the device's queue emptied on both ends."""
    synchronise = torch.cuda.synchronize if images.is_cuda else (lambda: None)
    synchronise()
    start = time.perf_counter()
    step(model, images)
    synchronise()
    return time.perf_counter() - start


def kept_for_backward(model: nn.Module, images: Tensor) -> int:
    """Bytes of activations that one forward pass keeps for the backward pass."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(images)
    total = sum(kept.values())
    del output
    return total


def compare(name: str, arguments: argparse.Namespace) -> None:
    """Print one line per mode for a backbone."""
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    images = torch.randn(arguments.batch, 3, arguments.size, arguments.size, device=device)
    sides = [side.to(device) for side in (Embedding(name), other_side(name)) if side is not None]
    for label, step in (("inference", inference), ("training", training)):
        times: list[list[float]] = [[] for _ in sides]
        for side in sides:
            side.train(step is training)
        for i in range(arguments.rounds + arguments.warmup):
            for side, measured in zip(sides, times, strict=True):
                elapsed = seconds(step, side, images)
                if i >= arguments.warmup:
                    measured.append(elapsed)
        print_row(
            f"{name} {label}, ms/image",
            [1e3 * statistics.median(t) / arguments.batch for t in times],
        )
    memory = [kept_for_backward(side.train(), images) / 2**20 / arguments.batch for side in sides]
    print_row(f"{name} kept for backward, MiB/image", memory)


def print_row(label: str, values: list[float]) -> None:
    """Print ours, theirs and theirs over ours."""
    cells = [f"{value:10.2f}" for value in values]
    ratio = f"{values[1] / values[0]:8.2f}" if len(values) > 1 else ""
    print(f"{label:44}", *cells, ratio)


def measure_backbones(arguments: argparse.Namespace) -> None:
    """Compare backbones with their counterparts."""
    print_versions()
    print(f"{'':44} {'ours':>10} {'theirs':>10} {'ratio':>8}")
    for name in arguments.names:
        compare(name, arguments)


def measure_imports(arguments: argparse.Namespace) -> None:
    """Time the package's import over torch's own, and the command's help."""
    print_versions()
    commands = {
        "import torch": ["-c", "import torch"],
        "import vision": ["-c", "import torch, vision"],
        "import vision, create a backbone": [
            "-c",
            "import torch, vision; vision.create_backbone('convnext', dims=(8,)*4, depths=(1,)*4)",
        ],
        "train.py --help": [str(ROOT / "train.py"), "--help"],
        "train.py fit --help": [str(ROOT / "train.py"), "fit", "--help"],
    }
    for label, command in commands.items():
        times = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        print(f"{label:44} {statistics.median(times):8.2f} s  (median of {arguments.rounds})")


def print_versions() -> None:
    """Say what was measured on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
    versions = list_versions(("torch", "timm", "transformers"))
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{device}, {torch.get_num_threads()} threads, {shown}")


def measure_pipeline(arguments: argparse.Namespace) -> None:
    """Compare input pipelines."""
    torch.set_num_threads(1)
    print_versions()
    measure_input(arguments)


def measure_detectors(arguments: argparse.Namespace) -> None:
    """Compare detectors."""
    print_versions()
    print(f"{'':44} {'ours':>10} {'theirs':>10} {'ratio':>8}")
    measure_detection(arguments, print_row)


def measure_segmentors(arguments: argparse.Namespace) -> None:
    """Compare models for semantic segmentation."""
    torch.set_num_threads(arguments.threads)
    print_versions()
    print(f"{'':44} {'ours':>10} {'theirs':>10} {'ratio':>8}")
    measure_segmentation(arguments, print_row)


def measure_steps(arguments: argparse.Namespace) -> None:
    """Compare a training step with that of a bare loop."""
    print_versions()
    print(f"{'':44} {'trainer':>10} {'bare':>10} {'ratio':>8}")
    measure_training(arguments, print_row)


def measure_engines(arguments: argparse.Namespace) -> None:
    """Compare the engines that run one model."""
    measure_latency(arguments)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    imports = commands.add_parser("imports", help="import times and the command's help")
    imports.add_argument("--rounds", type=whole(), default=5)
    imports.set_defaults(run=measure_imports)
    backbones = commands.add_parser("backbones", help="backbones against their counterparts")
    backbones.add_argument("--names", nargs="+", default=[*TIMM_NAMES, "cvt_13"])
    backbones.add_argument("--batch", type=whole(), default=4)
    backbones.add_argument("--size", type=whole(), default=224)
    backbones.add_argument("--rounds", type=whole(), default=7)
    backbones.add_argument("--warmup", type=whole(0), default=2)
    backbones.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    backbones.set_defaults(run=measure_backbones)
    pipeline = commands.add_parser("input", help="from JPEG files to augmented training images")
    pipeline.add_argument("--images", type=whole(), default=256)
    pipeline.add_argument("--quality", type=whole(1, 100), default=92, help="of the JPEG files")
    pipeline.add_argument("--rounds", type=whole(), default=5)
    pipeline.add_argument(
        "--workers", type=whole(0, MAX_PROCESSES), default=0, help="also through DataLoaders"
    )
    pipeline.set_defaults(run=measure_pipeline)
    detection = commands.add_parser("detection", help="Mask R-CNN against torchvision's")
    detection.add_argument("--backbone", default="swin_tiny")
    detection.add_argument("--batch", type=whole(), default=1)
    detection.add_argument("--height", type=whole(), default=800)
    detection.add_argument("--width", type=whole(), default=1344)
    detection.add_argument("--objects", type=whole(), default=8, help="per image")
    detection.add_argument("--rounds", type=whole(), default=5)
    detection.add_argument("--warmup", type=whole(0), default=1)
    detection.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    detection.set_defaults(run=measure_detectors)
    segmentation = commands.add_parser("segmentation", help="UPerNet against mmsegmentation's")
    segmentation.add_argument("--backbone", default="swin_tiny")
    # Of one image alone their pooled maps have a single value, which their norms refuse.
    segmentation.add_argument("--batch", type=whole(), default=2, help="2 or more")
    segmentation.add_argument(
        "--size", type=whole(), default=512, help="side of the images, in pixels"
    )
    segmentation.add_argument("--rounds", type=whole(), default=5)
    segmentation.add_argument("--warmup", type=whole(0), default=1)
    segmentation.add_argument(
        "--threads", type=whole(1, MAX_PROCESSES), default=torch.get_num_threads()
    )
    segmentation.add_argument("--channels-last", action="store_true", help="on both sides")
    segmentation.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    segmentation.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    segmentation.set_defaults(run=measure_segmentors)
    training = commands.add_parser("training", help="a training step against a bare loop's")
    training.add_argument("--config", type=Path, default=QUICKSTART, help="of train.py fit")
    training.add_argument("--rounds", type=whole(), default=20, help="pairs of blocks")
    training.add_argument("--steps", type=whole(), default=10, help="optimiser steps of a block")
    training.add_argument(
        "options", nargs="*", help="options of train.py fit, after -- (-- --data.batch_size 8)"
    )
    training.set_defaults(run=measure_steps)
    add_latency(commands, measure_engines)
    return parser


def measure(arguments: argparse.Namespace) -> int:
    """Run a benchmark; returns the exit status."""
    find_device(getattr(arguments, "device", "cpu"))
    if getattr(arguments, "json", None) is not None:
        check_output_file(arguments.json, option="--json")
    arguments.run(arguments)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 2 for a mistake in it."""
    return end(lambda: measure(build_parser().parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
