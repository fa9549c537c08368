"""Commands of `vision benchmark` that measure errors, not speed: of simple rules."""

from collections.abc import Sequence
from pathlib import Path

from vision.benchmarks.height_colour import measure_height_colour
from vision.benchmarks.mean_boxes import measure_mean_boxes
from vision.benchmarks.mean_maps import measure_mean_maps
from vision.benchmarks.thresholds import measure_thresholds
from vision.cli.benchmarks.options import Add
from vision.cli.dataset_options import build_dataset
from vision.program import command


def add_baselines(add: Add) -> None:
    """Commands of simple rules, beside which models stand."""
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
