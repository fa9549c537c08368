"""Unpack ImageNet's official archives into the folders that `vision.data.ImageNet` reads.

    vision prepare-imagenet ILSVRC2012_devkit_t12.tar.gz ILSVRC2012_img_train.tar \
        ILSVRC2012_img_val.tar --root data/imagenet
    vision prepare-imagenet winter21_whole.tar.gz --root data/imagenet22k

An interrupted run can be started again with the same command: classes that are whole are kept. The
validation images need the development kit, in the same command or in an earlier one. At the end the
numbers of classes and images are compared with the official ones; the exit status is 1 if any
differ, and 2 if the archives cannot be unpacked.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vision.cli.ending import command_parser, end
from vision.cli.progress_line import ProgressLine
from vision.data.formats.imagenet_archives import (
    RELEASES,
    ArchiveCheck,
    check_release,
    check_train,
    check_val,
    find_devkit,
    role_of,
    unpack_classes,
    unpack_devkit,
    unpack_val,
)
from vision.data.formats.imagenet_labels import CLASSES_1K
from vision.errors import DataError
from vision.outputs import check_output_folder
from vision.wording import counted


def unpack(archives: list[Path], root: Path, progress: ProgressLine) -> None:
    """Unpack the archives, the development kit first."""
    roles = {role_of(archive): archive for archive in archives}
    if len(roles) < len(archives) or ("22k" in roles and len(roles) > 1):
        names = ", ".join(archive.name for archive in archives)
        raise DataError(f"{names} need a --root each: unpack one release at a time.")
    if "devkit" in roles:
        unpack_devkit(roles["devkit"], root)
    devkit = find_devkit(root)
    if "val" in roles and devkit is None:
        raise DataError(
            f"'{roles['val']}' has no labels: name ILSVRC2012_devkit_t12.tar.gz as well."
        )
    if "train" in roles:
        unpack_classes(roles["train"], root / "train", total=CLASSES_1K, report=progress)
    if "val" in roles and devkit is not None:
        unpack_val(roles["val"], root / "val", devkit, report=progress)
    if "22k" in roles:
        release = roles["22k"]
        unpack_classes(release, root, total=RELEASES[release.name][0], report=progress)


def check(archives: list[Path], root: Path) -> dict[str, ArchiveCheck]:
    """Compare all that is there with the official numbers; by folder."""
    releases = [archive.name for archive in archives if archive.name in RELEASES]
    if releases:
        return {str(root): check_release(root, releases[0])}
    devkit = find_devkit(root)
    checks = {"train": check_train, "val": check_val}
    return {
        str(root / split): run(root / split, devkit)
        for split, run in checks.items()
        if (root / split).is_dir()
    }


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("prepare-imagenet", __doc__)
    parser.add_argument("archives", nargs="+", type=Path, help="archives, by their official names")
    parser.add_argument("--root", required=True, type=Path, help="the dataset's folder, to be made")
    return parser


def prepare(arguments: argparse.Namespace) -> int:
    """Unpack and compare; returns the exit status."""
    # Of the million files, only the folders of splits and classes are checked.
    check_output_folder(arguments.root, option="--root", levels=1)
    progress = ProgressLine()
    try:
        unpack(arguments.archives, arguments.root, progress)
        found = check(arguments.archives, arguments.root)
    finally:
        progress.end()
    for folder, result in found.items():
        print(
            f"{folder}: {counted(len(result.counts), 'classes')}, "
            f"{counted(result.counts.total(), 'images')}"
        )
        for problem in result.problems:
            print(f"  {problem}")
    return 1 if any(result.problems for result in found.values()) else 0


def main(words: Sequence[str]) -> int:
    """Run the command; 1 if anything is missing, 2 if the archives cannot be unpacked."""
    return end(lambda: prepare(build_parser().parse_args(words)))
