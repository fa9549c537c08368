"""Cityscapes' evaluation of instances between files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.cityscapes_ids import read_instance_values
from vision.errors import ConfigError, DataError
from vision.metrics.cityscapes.coco_results import read_coco_results
from vision.metrics.cityscapes.evaluation import evaluate_instances
from vision.metrics.cityscapes.instances import (
    LABEL_IDS,
    Detection,
    ImageInstances,
    compare_image,
)
from vision.metrics.cityscapes.results import FoundMask, read_text_results
from vision.metrics.cityscapes.table import CityscapesResult
from vision.metrics.file_pairs import FilePair, find_files, read_ahead, require_equal_sizes
from vision.ops.label_images import read_labels

SUFFIX = "_gtFine_instanceIds"


class _Image(NamedTuple):
    annotation: Path
    found: list[FoundMask]


def evaluate_files(
    annotations: Path, predictions: Path, *, images: Path | None = None, workers: int = 0
) -> CityscapesResult:
    """Compare detections with instance ids, a few images at a time.

    Args:
        annotations: Folder with `*_gtFine_instanceIds.png`, in the folders of cities or not.
        predictions: A folder with a text file of each image, as Cityscapes' scripts read them, or
            results in COCO's format, JSON, with masks.
        images: For JSON: a file in COCO's format that names the images and categories of its ids.
            Without it image ids are names such as `"frankfurt_000000_000294"`, and category ids are
            Cityscapes' label ids.
        workers: Threads that read files; 0 reads them one after the other.

    Raises:
        ConfigError: `images` is given for a folder.
        DataError: A file is absent, broken or does not fit the others; the message names it.
    """
    if images is not None and predictions.is_dir():
        raise ConfigError(
            f"images='{images}' is for results in JSON, but '{predictions}' is a folder, whose "
            "text files are named after their images. Leave it out."
        )
    truth = find_files(annotations, SUFFIX, folders=False)
    if predictions.is_dir():
        found = read_text_results(predictions, [*truth])
    else:
        found = read_coco_results(predictions, truth, images)
    pairs = [_Image(path, found.get(key, [])) for key, path in truth.items()]
    return evaluate_instances(list(read_ahead(_compare, pairs, workers)))


def _compare(image: _Image) -> ImageInstances:
    ids = read_instance_values(image.annotation, LABEL_IDS.values())
    return compare_image(ids, _decoded(image, ids.shape))


def _decoded(image: _Image, shape: tuple[int, ...]) -> Iterator[Detection]:
    for one in image.found:
        mask = _mask(one.mask)
        if isinstance(one.mask, Path):
            require_equal_sizes(mask.shape, shape, FilePair(image.annotation, one.mask))
        yield Detection(one.label, one.score, mask)


def _mask(mask: Path | Mapping[str, Any]) -> np.ndarray:
    """A mask, bool `(H, W)`, of a file or of packed run lengths."""
    if isinstance(mask, Path):
        values = read_labels(mask)
        if values.ndim != 2:
            raise DataError(
                f"'{mask}' is an RGB image; expected a grey one, of which each pixel that is not 0"
                " belongs to the detection."
            )
        return values != 0
    from pycocotools import mask as mask_tools

    return mask_tools.decode(mask).view(bool)
