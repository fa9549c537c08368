"""Compose a small dataset in the exact layout of a large one.

    vision make-samples coco --root data/coco_samples
    vision make-samples lvis --root data/lvis_samples
    vision make-samples ade20k --root data/ade20k_samples
    vision make-samples cityscapes --root data/cityscapes_samples
    vision make-samples panoptic --root data/panoptic_samples
    vision make-samples nyuv2 --root data/nyuv2_samples
    vision make-samples kitti_depth --root data/kitti_depth_samples
    vision make-samples kitti --root data/kitti_samples
    vision make-samples motorcycle --root data/motorcycle
    vision make-samples brats --root data/brats_samples
    vision make-samples mni --root data/mni
    vision make-samples s3dis --root data/s3dis_samples

Most show real handwritten digits. kitti has streets, as images and as scans of a lidar; motorcycle
is a photograph with measured depth, out of the package scikit-image; brats has volumes of heads
with tumours; mni is an average brain with its tissues, out of the package nilearn; s3dis has
furnished rooms as coloured points. It takes seconds to two minutes and no network. The same seed
makes the same files, byte for byte. The exit status is 2 if the folder holds something else, which
is then left as it is.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from vision.cli.announce import announce
from vision.cli.arguments import whole
from vision.cli.ending import command_parser, end
from vision.data.synthetic.ade20k import write_ade20k
from vision.data.synthetic.brats import BraTSSamples, write_brats
from vision.data.synthetic.cityscapes import CityscapesSamples, write_cityscapes
from vision.data.synthetic.coco import write_coco
from vision.data.synthetic.coco_panoptic import PanopticSamples, write_coco_panoptic
from vision.data.synthetic.kitti import StreetSamples, write_kitti
from vision.data.synthetic.kitti_depth import write_kitti_depth
from vision.data.synthetic.lvis import write_lvis
from vision.data.synthetic.mni import MNISample, write_mni
from vision.data.synthetic.motorcycle import MotorcycleSample, write_motorcycle
from vision.data.synthetic.nyuv2 import write_nyuv2
from vision.data.synthetic.s3dis import S3DISSamples, write_s3dis
from vision.data.synthetic.space_splits import RoomSamples
from vision.data.synthetic.splits import SceneSamples
from vision.options import MAX_SEED
from vision.outputs import check_output_folder
from vision.wording import counted


class Layout(NamedTuple):
    """A dataset that can be made: its name, its options, what writes it, and what that counts.

    Attributes:
        title: Name of the layout.
        options: Dataclass of its options.
        write: Writes it; returns two numbers for each split.
        unit: What the first of them counts.
        parts: What the second counts.
    """

    title: str
    options: type[Any]
    write: Callable[[Path, Any], dict[str, tuple[int, int]]]
    unit: str = "images"
    parts: str = "annotations"


LAYOUTS = {
    "coco": Layout("COCO 2017", SceneSamples, write_coco),
    "lvis": Layout("LVIS v1", SceneSamples, write_lvis),
    "ade20k": Layout("ADEChallengeData2016", SceneSamples, write_ade20k),
    "cityscapes": Layout("Cityscapes", CityscapesSamples, write_cityscapes),
    "panoptic": Layout("COCO 2017's panoptic annotations", PanopticSamples, write_coco_panoptic),
    "nyuv2": Layout("NYU Depth V2", RoomSamples, write_nyuv2),
    "kitti_depth": Layout("KITTI's depth prediction", RoomSamples, write_kitti_depth),
    "kitti": Layout("KITTI's objects", StreetSamples, write_kitti),
    "motorcycle": Layout("DepthFolder, of one photograph", MotorcycleSample, write_motorcycle),
    "brats": Layout("BraTS 2021", BraTSSamples, write_brats, "volumes"),
    "mni": Layout("VolumeFolder, of one average brain", MNISample, write_mni, "volumes"),
    "s3dis": Layout("S3DIS", S3DISSamples, write_s3dis, "rooms", "points"),
}
HELP = {
    "train": "number of training scenes",
    "val": "number of validation scenes, with what no training scene has",
    "test": "number of scenes without annotations",
    "subjects": "number of subjects",
    "rooms": "number of rooms, one after the other for each of six areas",
    "density": "points on a square metre",
    "size": "long side of the scenes in pixels, or cells along the long sides of volumes",
    "seed": "seed of all choices",
}


def build_parser() -> argparse.ArgumentParser:
    """The command line; the options of a dataset are the fields of its dataclass."""
    parser = command_parser("make-samples", __doc__)
    commands = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    for name, layout in LAYOUTS.items():
        command = commands.add_parser(name, help=f"a dataset in the layout of {layout.title}")
        command.add_argument("--root", required=True, type=Path, help="its folder, to be made")
        defaults = asdict(layout.options())
        for option in (name for name in HELP if name in defaults):
            text, default = f"{HELP[option]} ({defaults[option]})", defaults[option]
            command.add_argument(f"--{option}", type=whole(0, MAX_SEED), default=default, help=text)
    return parser


def make(arguments: argparse.Namespace) -> int:
    """Write a dataset, and say what it holds; returns the exit status."""
    check_output_folder(arguments.root, option="--root")
    announce(f"make {arguments.root}")
    layout = LAYOUTS[arguments.dataset]
    begin = time.monotonic()
    chosen = {option.name: getattr(arguments, option.name) for option in fields(layout.options)}
    samples = layout.options(**chosen)
    for split, (count, parts) in layout.write(arguments.root, samples).items():
        print(f"{split}: {counted(count, layout.unit)}, {counted(parts, layout.parts)}")
    print(f"{arguments.root}: written in {time.monotonic() - begin:.0f} s")
    return 0


def main(words: Sequence[str]) -> int:
    """Run the command; 2 if the dataset cannot be written."""
    return end(lambda: make(build_parser().parse_args(words)))
