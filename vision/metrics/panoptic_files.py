"""Panoptic segmentation measured between two files in COCO's panoptic format."""

from pathlib import Path

import numpy as np

from vision.annotations.panoptic import (
    PanopticImage,
    check_segments,
    read_annotations,
    read_predictions,
    read_segment_ids,
)
from vision.errors import DataError
from vision.metrics.coco.files import read_json
from vision.metrics.file_pairs import FilePair, read_ahead, require_equal_sizes
from vision.metrics.panoptic import Overlaps, PanopticEvaluator, overlaps
from vision.metrics.panoptic_table import PanopticScores


def evaluate_panoptic(
    annotations: Path,
    predictions: Path,
    *,
    annotation_images: Path | None = None,
    prediction_images: Path | None = None,
    workers: int = 0,
) -> PanopticScores:
    """Compare predictions with ground truth, a few images at a time.

    Args:
        annotations: The ground truth, JSON.
        predictions: The predictions, JSON with `annotations` of the same form.
        annotation_images: Folder of the PNG files of the ground truth; by default the path of
            `annotations` without `.json`, as the format's authors name it.
        prediction_images: Likewise for the predictions.
        workers: Threads that read files; 0 reads them one after the other.

    Raises:
        DataError: A file is absent, broken or does not fit the others; the message names it.
    """
    truth = read_annotations(read_json(annotations), f"'{annotations}'")
    found = read_predictions(read_json(predictions), truth, f"'{predictions}'")
    folders = (
        _folder(annotation_images, annotations, "--annotation-images"),
        _folder(prediction_images, predictions, "--prediction-images"),
    )

    def read(number: int | str) -> Overlaps:
        images = truth.images[number], found[number]
        pair = FilePair(
            *(folder / one.file_name for folder, one in zip(folders, images, strict=True))
        )
        return _compare(number, *images, pair)

    evaluator = PanopticEvaluator(len(truth.things))
    numbers = list(truth.images)
    for number, pairs in zip(numbers, read_ahead(read, numbers, workers), strict=True):
        evaluator.update(pairs, truth.images[number].segments, found[number].segments)
    return evaluator.compute(truth.categories.names, truth.categories.ids, truth.things)


def _compare(
    number: int | str, annotated: PanopticImage, predicted: PanopticImage, pair: FilePair
) -> Overlaps:
    truth, found = map(read_segment_ids, pair)
    if annotated.size is not None and truth.shape != annotated.size:
        raise DataError(
            f"'{pair.annotation}' has {truth.shape[0]} x {truth.shape[1]} pixels, but the"
            f" 'height' and 'width' of image {number} are {annotated.size[0]} x"
            f" {annotated.size[1]}. Give the PNG files that belong to the annotations."
        )
    require_equal_sizes(found.shape, truth.shape, pair, " Resize its ids by nearest pixels.")
    pairs = overlaps(truth, found)
    check_segments(np.unique(pairs.truth), annotated.segments, number, pair.annotation)
    check_segments(np.unique(pairs.found), predicted.segments, number, pair.prediction)
    return pairs


def _folder(given: Path | None, json: Path, option: str) -> Path:
    folder = json.with_suffix("") if given is None else given
    if not folder.is_dir():
        raise DataError(
            f"there is no folder '{folder}' (looked at {folder.resolve()}), for the PNG files of"
            f" '{json}'. Give it with {option}."
        )
    return folder
