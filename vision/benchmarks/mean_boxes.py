"""What is known of boxes in space when their rectangles in the image are: a baseline for KITTI.

Each true rectangle of a validation image gets a mean box of the training images. A detector that
has learnt depth and yaw is better, although it has to find the rectangles itself.
"""

from pathlib import Path

from vision.annotations.kitti_levels import LEVELS
from vision.data.formats.projections import read_projection
from vision.documents.text import read_lines
from vision.errors import DataError
from vision.metrics.kitti.evaluation import CLASSES, evaluate_objects
from vision.metrics.kitti.mean_boxes import mean_boxes, place_boxes, read_labels
from vision.metrics.text_table import cell, columns
from vision.reading import MAX_SETTINGS_BYTES

METRICS = ("bev", "3d")
# How boxes are placed: by the height alone, or so that their own rectangles fit.
ROUNDS = {"by height": 0, "fitted": 12}


def measure_mean_boxes(*, root: Path) -> None:
    """Print the average precision of mean boxes on a dataset in the layout of KITTI.

    Args:
        root: Its folder, with `training` and `ImageSets/{train,val}.txt`.

    Raises:
        DataError: A file is absent or wrong, or there are no training objects.
    """
    labels = root / "training" / "label_2"
    means = mean_boxes(read_labels(labels, names_of(root, "train")))
    if not means:
        raise DataError(
            f"the labels of '{root / 'ImageSets' / 'train.txt'}' have none of "
            f"{', '.join(CLASSES)}, and so there is no mean box."
        )
    names = names_of(root, "val")
    truth = read_labels(labels, names)
    cameras = [read_projection(root / "training" / "calib" / f"{name}.txt") for name in names]
    rows = [["", "metric", "overlap", *(level.name for level in LEVELS)]]
    for way, rounds in ROUNDS.items():
        found = [
            place_boxes(objects, means, camera, rounds=rounds)
            for objects, camera in zip(truth, cameras, strict=True)
        ]
        for row in evaluate_objects(truth, found, [*means]).rows():
            if row["metric"] in METRICS and row["recalls"] == "R40":
                place = [f"{row['class']}, {way}", str(row["metric"]), f"{row['overlap']:.2f}"]
                rows.append([*place, *(cell(row[level.name]) for level in LEVELS)])
    print("\n".join(columns(rows)))
    for name, mean in means.items():
        height, width, length = mean.size
        print(
            f"{name}: {height:.2f} x {width:.2f} x {length:.2f} m (height, width, length), "
            f"rotation_y {mean.yaw:.2f}"
        )


def names_of(root: Path, split: str) -> list[str]:
    """The images of a split."""
    path = root / "ImageSets" / f"{split}.txt"
    return read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
