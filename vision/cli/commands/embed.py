"""Features of a folder of images, by a trained model or a published backbone.

    vision embed runs/NAME/version_0 photos --out features.npz
    vision embed swin_tiny photos/train --out train.npz
    vision embed timm/resnet50 photos/val --out val.npz --knn train.npz

OUT has `features`, float32 (N, D), and `paths`, relative to the folder; NumPy reads it. Images are
prepared as in the evaluation of the model. The same command goes on where it was stopped.

With --knn the images, in one folder per class, are classified by the nearest of other features, as
in DINO: how well the features tell the classes apart.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.cli.announce import announce
from vision.cli.arguments import add_batches, add_device, add_task, choose_device, real, whole
from vision.cli.ending import command_parser, end
from vision.cli.progress_bar import ProgressBar
from vision.errors import WeightsError
from vision.outputs import check_output_file
from vision.reading import MAX_TABLE_BYTES, require_file
from vision.wording import counted

BAD_IMAGES = 1


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("embed", __doc__)
    parser.add_argument(
        "model",
        metavar="RUN_OR_BACKBONE",
        help="checkpoint, folder of a run, .safetensors, hf://owner/repo; or the name of a "
        "published backbone, such as swin_tiny or timm/resnet50",
    )
    parser.add_argument("input", metavar="FOLDER", help="image, folder or pattern")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the features, a .npz file"
    )
    add_task(parser)
    add_device(parser)
    add_batches(parser)
    parser.add_argument(
        "--knn", type=Path, metavar="FILE", help="features of the images that vote, one of embed's"
    )
    parser.add_argument("--k", type=whole(), default=20, help="neighbours that vote (20)")
    parser.add_argument(
        "--temperature",
        type=real(0.01, 1000),
        default=0.07,
        help="of their votes; small: the nearest decide (0.07)",
    )
    return parser


def load(arguments: argparse.Namespace) -> Any:
    """The trained model, or the published backbone where the name is one and no file has it."""
    import vision
    from vision.backbones.registry import check_input, nearest_backbones

    device = choose_device(arguments.device)
    name = arguments.model
    is_backbone = name.startswith("timm/") or name in vision.list_backbones()
    if is_backbone and not os.path.exists(name):
        return vision.load_backbone(name, device=device)
    if not os.path.exists(name):
        check_input(name, "image", owner="embed")
    try:
        return vision.load(name, device=device, task=arguments.task)
    except WeightsError as error:
        near = "" if os.path.exists(name) else nearest_backbones(name)
        if not near:
            raise
        raise WeightsError(f"{error} Or the name of a backbone.{near}") from error


def embed(arguments: argparse.Namespace) -> int:
    """Write the features, and print what was written; returns the exit status."""
    check_output_file(arguments.out, option="--out")
    if arguments.knn is not None and arguments.knn != arguments.out:
        require_file(arguments.knn, max_bytes=MAX_TABLE_BYTES, what="file of features")
    announce(f"embed {arguments.input} with {arguments.model}")
    from vision.predict.embed_job import embed_folder, nearest_neighbours

    model = load(arguments)
    progress = ProgressBar("images")
    start = time.perf_counter()
    try:
        summary = embed_folder(
            model,
            arguments.input,
            arguments.out,
            batch_size=arguments.batch_size,
            precision=arguments.precision,
            num_workers=arguments.workers,
            progress=progress,
        )
    finally:
        progress.close()
    seconds = time.perf_counter() - start
    earlier = f", {summary.earlier:,} were there" if summary.earlier else ""
    images = counted(summary.done, "images")
    print(f"{images}, {summary.width} features each, in {seconds:.1f} s{earlier}")
    print(f"in {arguments.out}")
    if arguments.knn is not None:
        found = nearest_neighbours(
            arguments.out, arguments.knn, k=arguments.k, temperature=arguments.temperature
        )
        print(f"nearest neighbours: top-1 {found.top1:.2%}, top-5 {found.top5:.2%}")
    for message in summary.bad:
        print(message, file=sys.stderr)
    return BAD_IMAGES if summary.bad else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 for a mistake that the user can fix."""
    return end(lambda: embed(build_parser().parse_args(arguments)))
