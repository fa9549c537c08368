"""Compose a small dataset in the exact layout of a large one, from real handwritten digits.

    python tools/make_samples.py coco --root data/coco_samples

It takes seconds and no network. The same seed makes the same files, byte for byte. The exit status
is 2 if the folder holds something else, which is then left as it is.
"""

import argparse
import sys
import time
from pathlib import Path

from vision.data.samples.coco import CocoSamples, write_coco
from vision.errors import VisionError


def add_coco(parser: argparse.ArgumentParser) -> None:
    """Add the options of `coco`, with the defaults of `CocoSamples`."""
    defaults = CocoSamples()
    for name, text in (
        ("train", "number of training scenes"),
        ("val", "number of validation scenes, of other digits"),
        ("test", "number of scenes without annotations"),
        ("size", "long side of the scenes in pixels"),
        ("seed", "seed of all choices"),
    ):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")


def make_coco(arguments: argparse.Namespace) -> dict[str, tuple[int, int]]:
    """Write the dataset; images and annotations by split."""
    names = ("train", "val", "test", "size", "seed")
    samples = CocoSamples(**{name: getattr(arguments, name) for name in names})
    return write_coco(arguments.root, samples)


DATASETS = {"coco": (add_coco, make_coco)}


def main() -> int:
    """Run the command; 2 if the dataset cannot be written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    for name, (add_options, _) in DATASETS.items():
        command = commands.add_parser(name, help=f"a dataset in the layout of {name.upper()}")
        command.add_argument("--root", required=True, type=Path, help="its folder, to be made")
        add_options(command)
    arguments = parser.parse_args()
    begin = time.monotonic()
    try:
        found = DATASETS[arguments.dataset][1](arguments)
    except VisionError as error:
        print(error, file=sys.stderr)
        return 2
    for split, (images, annotations) in found.items():
        print(f"{split}: {images:,} images, {annotations:,} annotations")
    print(f"{arguments.root}: written in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
