"""KITTI's evaluation between two folders of text files."""

from collections.abc import Sequence
from pathlib import Path

from vision.annotations.kitti import read_objects
from vision.documents.text import read_lines
from vision.errors import DataError, listed
from vision.metrics.file_pairs import FilePair, pair_files
from vision.metrics.kitti.evaluation import CLASSES, evaluate_objects
from vision.metrics.kitti.table import KittiScores
from vision.reading import MAX_SETTINGS_BYTES

EXTENSIONS = (".txt",)


def evaluate_kitti(
    annotations: Path,
    predictions: Path,
    *,
    classes: Sequence[str] = CLASSES,
    split: Path | None = None,
) -> KittiScores:
    """Compare predictions with annotations: files of the same names, a line per object.

    Args:
        annotations: Folder of the labels, such as `training/label_2`.
        predictions: Folder of the predictions; an empty file has no detections.
        classes: Which to evaluate.
        split: Text file of the images to evaluate, such as `ImageSets/val.txt`, a name per line;
            None for all that are annotated.

    Raises:
        ConfigError: A class is not one of the benchmark.
        DataError: A folder or file is absent or not in KITTI's format; the message has the line.
    """
    if split is None:
        pairs = pair_files(annotations, predictions, extensions=EXTENSIONS)
    else:
        pairs = _pairs_of_split(annotations, predictions, split)
    truth = [read_objects(pair.annotation, scored=False) for pair in pairs]
    found = [read_objects(pair.prediction, scored=True) for pair in pairs]
    return evaluate_objects(truth, found, classes)


def _pairs_of_split(annotations: Path, predictions: Path, split: Path) -> list[FilePair]:
    names = read_lines(split, max_bytes=MAX_SETTINGS_BYTES, what="list of images")
    if not names:
        raise DataError(f"'{split}' lists no image; expected a name such as 000001 on each line.")
    for folder in (annotations, predictions):
        if not folder.is_dir():
            raise DataError(f"there is no folder '{folder}' (looked at {folder.resolve()}).")
        missing = [name for name in names if not (folder / f"{name}.txt").is_file()]
        if missing:
            raise DataError(
                f"{len(missing):,} of {len(names):,} images of '{split}' have no file in "
                f"'{folder}', such as {listed((f'{name}.txt' for name in missing), maximum=3)}. "
                "Each image has a file; that of one without objects is empty."
            )
    return [FilePair(annotations / f"{name}.txt", predictions / f"{name}.txt") for name in names]
