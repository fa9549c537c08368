"""Measure a trained model, or predictions that are in files.

    vision evaluate model runs/NAME/version_0
    vision evaluate model CKPT --split test --out report --against runs/OTHER/version_0
    vision evaluate model model.safetensors --config DATA.yaml --data.batch_size 8
    vision evaluate coco --annotations instances_val2017.json --predictions found.json
    vision evaluate coco --annotations GT.json --predictions DT.json --categories \
        --json numbers.json --csv categories.csv
    vision evaluate coco --annotations GT.json --predictions PROPOSALS.json \
        --class-agnostic --max-detections 100 300 1000
    vision evaluate lvis --annotations lvis_v1_val.json --predictions found.json
    vision evaluate voc --annotations VOC2007/Annotations --predictions found.json \
        --split VOC2007/ImageSets/Main/test.txt --csv classes.csv
    vision evaluate cityscapes-instances --annotations gtFine/val --predictions found
    vision evaluate segmentation --annotations masks --predictions found \
        --num-classes 21 --json numbers.json --csv classes.csv
    vision evaluate segmentation --annotations ADE/annotations/validation \
        --predictions found --num-classes 150 --reduce-zero-label
    vision evaluate segmentation --annotations gtFine/val --predictions found \
        --num-classes 19 --annotation-suffix _gtFine_labelTrainIds \
        --prediction-suffix _leftImg8bit
    vision evaluate panoptic --annotations panoptic_val2017.json \
        --annotation-images panoptic_val2017 --predictions found.json \
        --prediction-images found --json numbers.json --csv categories.csv
    vision evaluate depth --annotations depth --predictions found --max 80 --crop garg \
        --annotation-scale 256 --json numbers.json --csv images.csv
    vision evaluate normals --annotations normals --predictions found --json numbers.json
    vision evaluate kitti --annotations training/label_2 --predictions found \
        --split ImageSets/val.txt --json numbers.json --csv rows.csv
    vision evaluate nuscenes --annotations v1.0-trainval --predictions results_nusc.json \
        --split splits/val.txt --json numbers.json --csv classes.csv
    vision evaluate volumes --annotations BraTS2021 --annotation-suffix _seg --predictions found \
        --regions brats --json numbers.json --csv subjects.csv
    vision evaluate points --annotations rooms --predictions found/labels --num-classes 13 \
        --json numbers.json --csv classes.csv

`model` gives the numbers of `vision validate` (or `test`), for every task, and writes
`report.json`, `report.html` and `images.csv` to the folder `evaluation` of the run. Further options
are those of `vision validate`.

The other commands need no model and start in a moment.

`coco` prints the familiar tables: of boxes, and of masks where the predictions have a
`segmentation`. `--json` writes `{"bbox": [12 numbers], "segm": [12 numbers]}` in the order of
pycocotools, with which they agree to 1e-12. `--max-detections` sets other numbers of detections per
image than 1, 10 and 100, `--class-agnostic` the recall of proposals.

`lvis` does the same by the rules of LVIS: its thirteen numbers, of rare, common and frequent
categories too.

`voc` compares boxes with XML files by the rules of Pascal VOC: AP at 11 recalls (2007) and as an
area (2010 and later) of each class.

`cityscapes-instances` compares masks with `*_gtFine_instanceIds.png` by the rules of Cityscapes'
scripts: AP and AP at an IoU of 0.5 of each class.

`segmentation` compares label images: PNG files of class indices, under the same paths in both
folders. `--json` writes fractions: `mIoU`, `mAcc`, `aAcc`, `mBIoU`, and per class `IoU`, `Acc`,
`BoundaryIoU`, which are lists in the order of the classes, or with `--classes` go by name; null is
a class without pixels.

`panoptic` compares segments by the rules of the paper of panoptic segmentation: each side is a JSON
file and a folder of PNG files of segment ids. `--json` writes fractions: `PQ`, `SQ`, `RQ` of `all`,
`things` and `stuff`, and in `per_class` a row per category.

`depth` compares depth maps under the same paths in both folders: PNG files of 16 bits, or `.npy`
files in metres. Its numbers are means over images. `normals` compares surface normals: RGB PNG
files of 8 or 16 bits, or `.npy` files. Its angles are in degrees, over all pixels together.

`kitti` compares boxes in space by the rules of KITTI's benchmark: text files of objects under the
same names in both folders. `--json` writes fractions: the AP in the image, on the ground and in
space and the orientation similarity of each class, at three difficulties.

`nuscenes` compares a file of detection results with the tables of nuScenes by the rules of its
benchmark. `--json` writes `NDS`, `mAP`, the mean `errors`, and in `classes` a row per class.

`volumes` compares labels of 3-D images: NIfTI files of the same names in both folders, on the same
grid. `--json` writes the means of `Dice`, of the 95 % Hausdorff distance `HD95` and the average
surface distance `ASD` in mm and of the `VolumeError` in ml, and in `regions` a row per region.

`points` compares the classes of points: files of the same paths in both folders, of clouds with
labels (PLY, npz, LAS, rows of npy) or of labels alone (npy, or text with one per line).
Intersections and unions are summed over all files, so that the six areas of S3DIS together are
six-fold. `--json` writes fractions: `mIoU`, `mAcc`, `OA`, per class `IoU` and `Acc`, and in `rooms`
a row per file.

The exit status is 2 if the files do not fit each other or their format.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vision.cli.announce import announce
from vision.cli.arguments import (
    add_number_files,
    add_suffixes,
    add_task,
    add_workers,
    check_output_files,
    class_names_of,
    find_pairs,
    whole,
    write_number_files,
)
from vision.cli.commands.evaluate_cityscapes import add_cityscapes_instances
from vision.cli.commands.evaluate_coco import add_coco
from vision.cli.commands.evaluate_depth import add_depth
from vision.cli.commands.evaluate_kitti import add_kitti
from vision.cli.commands.evaluate_lvis import add_lvis
from vision.cli.commands.evaluate_normals import add_normals
from vision.cli.commands.evaluate_nuscenes import add_nuscenes
from vision.cli.commands.evaluate_panoptic import add_panoptic
from vision.cli.commands.evaluate_points import add_points
from vision.cli.commands.evaluate_voc import add_voc
from vision.cli.commands.evaluate_volumes import add_volumes
from vision.cli.ending import command_parser, end
from vision.outputs import check_output_folder
from vision.wording import timed

# A label image has a byte per pixel, and one of its values is for pixels that do not count.
MAX_CLASSES = 255


def add_segmentation(commands: Any) -> None:
    """Add the command `segmentation` to the parsers of argparse."""
    parser = commands.add_parser("segmentation", help="label images: PNG files of class indices")
    parser.add_argument(
        "--annotations", required=True, type=Path, help="folder of the ground truth"
    )
    parser.add_argument("--predictions", required=True, type=Path, help="folder of predictions")
    parser.add_argument("--num-classes", required=True, type=whole(1, MAX_CLASSES), metavar="K")
    parser.add_argument(
        "--ignore",
        nargs="+",
        type=int,
        default=[255],
        metavar="VALUE",
        help="values in annotations whose pixels do not count; 255 by default",
    )
    parser.add_argument(
        "--reduce-zero-label",
        nargs="?",
        const="both",
        choices=("both", "annotations"),
        help="files have 0 for pixels that do not count and 1, 2, ... for the classes: those of"
        " both folders, as the test server of ADE20K accepts them, or only annotations",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the classes, or a text file with one per line",
    )
    add_suffixes(parser, ".png")
    parser.add_argument(
        "--boundary",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to measure the boundary IoU too",
    )
    add_number_files(parser, "classes")
    add_workers(parser)
    parser.set_defaults(run=evaluate_segmentation)


def evaluate_segmentation(options: argparse.Namespace) -> None:
    """Compare two folders of label images, print the table, write the files."""
    announce("evaluate segmentation")
    # These need torch, for which the other command should not wait.
    from vision.data.classes.compared_labels import compared_labels
    from vision.metrics.segmentation_files import evaluate_labels

    start = time.perf_counter()
    names = class_names_of(options)
    annotated, predicted = compared_labels(
        options.num_classes, ignored=options.ignore, reduce_zero_label=options.reduce_zero_label
    )
    result = evaluate_labels(
        find_pairs(options),
        options.num_classes,
        annotation_classes=annotated,
        prediction_classes=predicted,
        boundary=options.boundary,
        class_names=names,
        workers=options.workers,
    )
    seconds = time.perf_counter() - start
    print(result.table())
    print(timed(result.images, seconds, "images"))
    write_number_files(options, result.to_json, result.rows)


def add_model(commands: Any) -> None:
    """Add the command `model` to the parsers of argparse."""
    parser = commands.add_parser(
        "model",
        help="a trained model, with a report as a page",
        allow_abbrev=False,
        epilog="Further options, such as --data.root DIR or --trainer.accelerator gpu, are those of"
        " validate; they come after the model.",
    )
    parser.add_argument(
        "source", help="a checkpoint, the folder of a run, a .safetensors or a folder with one"
    )
    parser.add_argument(
        "--config",
        dest="configs",
        action="append",
        default=[],
        metavar="FILE",
        help="a config in place of that of the run; several are composed, later ones win",
    )
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="by default evaluation in the folder of the run"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="RUN",
        help="another run, or its report.json, to show the difference to",
    )
    parser.add_argument(
        "--limit",
        type=whole(),
        metavar="N",
        help="evaluate about N images, in whole batches; results go to folders *_part",
    )
    add_task(parser)
    parser.set_defaults(run=evaluate_model)


def evaluate_model(options: argparse.Namespace) -> None:
    """Evaluate a model and write its report."""
    announce(f"evaluate {options.source}")
    from vision.cli.evaluation import EvaluationOptions
    from vision.cli.evaluation import evaluate_model as evaluate

    chosen = {field.name: getattr(options, field.name) for field in fields(EvaluationOptions)}
    evaluate(options.source, EvaluationOptions(**chosen), print)


COMMANDS = (
    add_model,
    add_coco,
    add_lvis,
    add_voc,
    add_cityscapes_instances,
    add_segmentation,
    add_panoptic,
    add_depth,
    add_normals,
    add_kitti,
    add_nuscenes,
    add_volumes,
    add_points,
)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("evaluate", __doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


def run(words: Sequence[str]) -> int:
    """Parse the command line and run its command; returns the exit status."""
    parser = build_parser()
    options, more = parser.parse_known_args(words)
    options.more = more
    if more and options.run is not evaluate_model:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    check_output_files(options, "json", "csv")
    if getattr(options, "out", None) is not None:
        check_output_folder(options.out, option="--out", levels=0)
    options.run(options)
    return 0


def main(words: Sequence[str]) -> int:
    """Run a command; 2 for a mistake that the user can fix."""
    return end(lambda: run(words))
