"""Crop the objects of KITTI's sweeps, to be pasted into others in training.

    vision prepare-kitti-database --root data/kitti_object --out data/kitti_objects
    vision prepare-kitti-database --root data/kitti_object --split trainval \
        --out data/kitti_objects_trainval

An object is a Pedestrian, Car or Cyclist with the points in its box. The folder gets one array,
points.npy, and an index, objects.json; the same sweeps make the same files. Training reads them
with --data.paste.database. Take the split that is trained on: pasted objects of the validation
split would be seen in training.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vision.cli.announce import announce
from vision.cli.arguments import whole
from vision.cli.ending import command_parser, end
from vision.cli.progress_line import ProgressLine
from vision.options import MAX_COUNT
from vision.outputs import check_output_folder
from vision.wording import counted

MIN_POINTS = 5
NUMBERS, MAX_NUMBERS = 4, 64
EVERYWHERE = (-1000.0, -1000.0, -1000.0, 1000.0, 1000.0, 1000.0)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("prepare-kitti-database", __doc__)
    parser.add_argument("--root", required=True, type=Path, help="KITTI's folder")
    parser.add_argument("--out", required=True, type=Path, help="the folder to be made")
    parser.add_argument(
        "--split", default="train", help="name of a list in ImageSets, or a path of one (train)"
    )
    parser.add_argument(
        "--min-points",
        type=whole(1, MAX_COUNT),
        default=MIN_POINTS,
        help=f"fewest points of an object ({MIN_POINTS})",
    )
    parser.add_argument(
        "--numbers",
        type=whole(3, MAX_NUMBERS),
        default=NUMBERS,
        help=f"numbers of each point in a file ({NUMBERS})",
    )
    parser.add_argument(
        "--all-around",
        action="store_true",
        help="keep points that the camera does not see; for sweeps annotated on all sides",
    )
    return parser


def prepare(arguments: argparse.Namespace) -> int:
    """Crop and write; returns the exit status."""
    check_output_folder(arguments.out, option="--out")
    announce(f"crop the objects of {arguments.root}")
    # PyTorch, which help and a wrong option do not wait for.
    from vision.data.base.object_crops import crop_objects
    from vision.data.datasets.kitti_lidar import POINT_RANGE, KITTILidar
    from vision.data.formats.object_database import write_database

    data = KITTILidar(
        root=arguments.root,
        train_split=arguments.split,
        point_range=EVERYWHERE if arguments.all_around else POINT_RANGE,
        in_view=not arguments.all_around,
        numbers=arguments.numbers,
        num_workers=0,
    )
    samples = data.make_samples(data.index("train"), data.eval_transform)
    progress = ProgressLine()
    try:
        objects = crop_objects(
            samples,
            data.class_names,
            min_points=arguments.min_points,
            report=lambda done, total: progress(f"read {done:,} of {total:,} sweeps"),
        )
        about = {"split": arguments.split, "min_points": arguments.min_points}
        counts = write_database(arguments.out, objects, data.class_names, about)
    finally:
        progress.end()
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    print(f"{arguments.out}: {counted(sum(counts.values()), 'objects')} ({parts})")
    return 0


def main(words: Sequence[str]) -> int:
    """Run the command; 2 if a sweep cannot be read or the database cannot be written."""
    return end(lambda: prepare(build_parser().parse_args(words)))
