"""Predict images, folders, patterns or a video with a trained model; write the predictions.

    vision predict runs/NAME/version_0/checkpoints/best.ckpt photos --out found
    vision predict runs/NAME/version_0 "photos/**/*.jpg" --out found --threshold 0.5
    vision predict model.safetensors aerial --out found --tile 1024 --device cuda
    vision predict best.ckpt street.mp4 --out found
    vision predict best.ckpt 0 --out found --frames 100
    vision predict best.ckpt https://HOST/a.jpg --out found --allow-downloads
    vision predict best.ckpt - --out found < list.txt
    vision predict best.ckpt image_2 --out found --camera calib
    vision predict best.ckpt BraTS2021 --out found --probabilities
    vision predict best.ckpt rooms --out found
    vision predict best.ckpt val2017 --out found --json-only \
        --annotations instances_val2017.json

The first 20 results are printed, a line each, and at the end the classes of all.
OUT/predictions.jsonl has a line per image (or frame), written as soon as it is known, and
OUT/pictures the drawn images. At the end there is also predictions.csv (classification),
predictions.json in COCO's format with images.json (detection), masks/*.png (segmentation),
depth/*.png and normals/*.png of 16 bits, which `vision evaluate depth` and `normals` read,
kitti/*.txt (boxes in space), which `vision evaluate kitti` reads, labels/*.nii.gz (volumes), on the
grid of the source and with its values, which `vision evaluate volumes` reads, or labels/*.ply
(points), which `vision evaluate points` reads.

The same command goes on where it was stopped. Images that cannot be read are listed in
OUT/errors.jsonl, and tried again by the next run. The exit status is 0, 1 if there are such images,
and 2 for a mistake in the command, such as an OUT of other predictions.

With the options of a training it predicts the dataset of a config instead, as `vision validate`
evaluates it; `vision predict --config FILE --help` lists these options:

    vision predict --config RUN/config.yaml --ckpt_path best --data.predict_root DIR
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.cli.announce import announce
from vision.cli.arguments import add_batches, add_device, add_task, choose_device, real, tile, whole
from vision.cli.commands.training import is_training, run_trainer
from vision.cli.ending import command_parser, end
from vision.cli.image_lines import ImageLines
from vision.cli.progress_bar import ProgressBar
from vision.line_width import break_parts, line_width
from vision.outputs import check_output_folder
from vision.predict.inputs import camera_index, image_source
from vision.wording import counted, speed

if TYPE_CHECKING:
    from vision.predict.camera import Camera
    from vision.predict.job import Summary
    from vision.predict.model import Model
    from vision.predict.options import PredictOptions

BAD_IMAGES = 1


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("predict", __doc__)
    parser.add_argument(
        "model",
        metavar="CKPT",
        help="checkpoint, folder of a run, .safetensors, or hf://owner/repo",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="image, folder, pattern, video, number of a camera, address, or - for paths on stdin; "
        "of volumes a subject's folder or file, or a folder of subjects",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="for the results")
    parser.add_argument(
        "--threshold", type=real(0, 1), default=0.3, help="minimum score of an object (0.3)"
    )
    parser.add_argument(
        "--tile", type=tile, metavar="PIXELS", help="cut larger images: 1024, or 768x1024"
    )
    parser.add_argument(
        "--overlap", type=real(0, 0.99), default=0.2, help="of tiles, as a share (0.2)"
    )
    parser.add_argument(
        "--no-whole-view", action="store_true", help="with tiles, do not look at the whole too"
    )
    parser.add_argument(
        "--camera",
        metavar="FILE",
        help="calibration, for boxes in space: a file, a folder with one per image, fx,fy,cx,cy, "
        "or a focal length, in pixels",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="of volumes, write those of each class or region too",
    )
    add_task(parser)
    add_device(parser)
    add_batches(parser)
    parser.add_argument(
        "--compile",
        choices=("whole", "blocks", "cuda-graphs"),
        help="the backbone, for many images: as one program, a block of each kind, or on a GPU as "
        "CUDA graphs, for batches of one size",
    )
    parser.add_argument(
        "--no-pictures", "--json-only", dest="no_pictures", action="store_true", help="do not draw"
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="a file of COCO that says the numbers of images and classes in predictions.json",
    )
    parser.add_argument(
        "--allow-downloads", action="store_true", help="fetch images from https:// addresses"
    )
    parser.add_argument(
        "--frames", type=whole(), metavar="N", help="of a video or a camera, stop after N frames"
    )
    return parser


def predict(arguments: argparse.Namespace) -> int:
    """Predict, and print what was found and written; returns the exit status."""
    check_output_folder(arguments.out, option="--out")
    camera = camera_index(arguments.input)
    source = image_source(
        arguments.input, arguments.out, allow_downloads=arguments.allow_downloads, stdin=sys.stdin
    )
    announce(f"predict {arguments.input} with {arguments.model}")
    # PyTorch reads it with its first tensor: large ones then come in pages of 2 MB, which the
    # system clears faster. See docs/performance.md, "The allocator".
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import vision
    from vision.predict.camera import Camera
    from vision.predict.options import PredictOptions

    options = PredictOptions(
        batch_size=arguments.batch_size,
        threshold=arguments.threshold,
        tile=arguments.tile,
        overlap=arguments.overlap,
        whole_view=not arguments.no_whole_view,
        precision=arguments.precision,
        camera=arguments.camera,
        probabilities=arguments.probabilities,
    )
    model = vision.load(
        arguments.model, device=choose_device(arguments.device), task=arguments.task
    )
    if arguments.compile is not None:
        model.compile(arguments.compile)
    return run(model, source if camera is None else Camera(camera), options, arguments)


def run(
    model: "Model",
    source: "str | list[str] | Camera",
    options: "PredictOptions",
    arguments: argparse.Namespace,
) -> int:
    """Predict a source, and print what was found and written; returns the exit status."""
    from vision.predict.camera import Camera
    from vision.predict.job import predict_folder
    from vision.predict.video import is_video, predict_video

    is_file = isinstance(source, str) and is_video(source) and Path(source).is_file()
    filmed = is_file or isinstance(source, Camera)
    unit = "frames" if filmed else model.predictor.sources.unit
    progress = ProgressBar(unit)
    found = ImageLines(progress.write)
    shown: dict[str, Any] = {
        "pictures": not arguments.no_pictures,
        "progress": progress,
        "show": found,
    }
    start = time.perf_counter()
    try:
        if filmed:
            assert isinstance(source, str | Camera), "a list has no frames"
            limit = arguments.frames
            summary = predict_video(
                model, source, arguments.out, options, max_frames=limit, **shown
            )
        else:
            assert not isinstance(source, Camera), "a camera has frames"
            summary = predict_folder(
                model,
                source,
                arguments.out,
                options,
                num_workers=arguments.workers,
                annotations=arguments.annotations,
                **shown,
            )
    finally:
        progress.close()
    report(summary, unit, time.perf_counter() - start, found.summary(), arguments.out)
    return BAD_IMAGES if summary.bad else 0


def report(summary: "Summary", unit: str, seconds: float, found: str | None, folder: Path) -> None:
    """Print how many images were predicted, what was found, and where it is."""
    new = summary.done - summary.earlier
    earlier = f", {summary.earlier:,} were there" if summary.earlier else ""
    if found is not None:
        print(found)
    print(
        f"{counted(new, unit)} predicted in {seconds:.1f} s, {speed(new, seconds, unit)}{earlier}"
    )
    print(
        "\n".join(break_parts([f"in {folder}:", *join_names(summary.files)], line_width(), gap=" "))
    )
    if summary.bad:
        print(f"{counted(summary.bad, unit)} cannot be read: see errors.jsonl", file=sys.stderr)


def join_names(names: Sequence[str]) -> list[str]:
    """Names with a comma after each but the last."""
    return [f"{name}," for name in names[:-1]] + list(names[-1:])


def main(words: Sequence[str]) -> int:
    """Run the command; 2 for a mistake that the user can fix."""
    if is_training(words):
        return run_trainer("predict", words)
    return end(lambda: predict(build_parser().parse_args(words)))
