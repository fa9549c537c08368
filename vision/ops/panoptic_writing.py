"""The writer of COCO's panoptic format, which `vision.annotations.panoptic` reads.

Letters: H rows, W columns.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.contracts.segments import MAX_SEGMENT_ID, SegmentInfo
from vision.documents.json_writing import to_json
from vision.errors import DataError
from vision.files import replace_file

Json = dict[str, Any]


def write_segment_ids(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write segment ids as a PNG file, from which `read_segment_ids` reads the same.

    Args:
        path: The file, in a folder that exists; it appears when it is complete.
        ids: Integers `(H, W)` in 0 to 2**24 - 1.

    Raises:
        DataError: An id is out of this range, or the file cannot be written.
    """
    from PIL import Image

    if ids.min() < 0 or ids.max() > MAX_SEGMENT_ID:
        raise DataError(
            f"segment ids for '{path}' are {ids.min()} to {ids.max():,}, expected 0 to"
            f" {MAX_SEGMENT_ID:,}, as a PNG holds them."
        )
    whole = ids.astype(np.int32)
    channels = np.stack([whole & 255, whole >> 8 & 255, whole >> 16], axis=-1)
    image = Image.fromarray(channels.astype(np.uint8))
    try:
        replace_file(Path(path), lambda place: image.save(place, format="PNG"))
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error}.") from error


def annotation_of(
    ids: np.ndarray,
    segments: Sequence[SegmentInfo],
    *,
    image_id: int | str,
    file_name: str,
    category_ids: Sequence[int] | None = None,
) -> Json:
    """The entry of an image in `annotations`.

    Args:
        ids: Integers `(H, W)`.
        segments: The segments, each with a pixel in `ids`.
        image_id: Id of the image.
        file_name: Its PNG, below the folder of such files.
        category_ids: Id of each class by label; None uses the label.

    Returns:
        `image_id`, `file_name` and `segments_info`: `id`, `category_id`, `area` in pixels, `bbox`
        `[x, y, width, height]` and `iscrowd` of each segment.
    """
    boxes = segment_boxes(ids, [one["id"] for one in segments])
    entries = [
        {
            "id": one["id"],
            "category_id": one["category_id"]
            if category_ids is None
            else int(category_ids[one["category_id"]]),
            "area": area,
            "bbox": box,
            "iscrowd": int(one.get("iscrowd", False)),
        }
        for one, (area, box) in zip(segments, boxes, strict=True)
    ]
    return {"image_id": image_id, "file_name": file_name, "segments_info": entries}


def segment_boxes(ids: np.ndarray, wanted: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Area and box of segments.

    Args:
        ids: Integers `(H, W)`.
        wanted: Ids that have a pixel each.

    Returns:
        For each its number of pixels, and `[x, y, width, height]`.
    """
    from scipy.ndimage import find_objects

    present, regions = np.unique(ids, return_inverse=True)
    regions = regions.reshape(ids.shape)
    areas = np.bincount(regions.ravel())
    # Regions are counted from 1 there.
    boxes = find_objects(regions + 1)
    found = []
    for place in np.searchsorted(present, wanted).tolist():
        rows, columns = boxes[place]
        box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
        found.append((int(areas[place]), box))
    return found


def write_panoptic(
    path: Path,
    annotations: Iterable[Mapping[str, Any]],
    *,
    images: Iterable[Mapping[str, Any]],
    categories: Iterable[Mapping[str, Any]],
) -> int:
    """Write a file of annotations or predictions, without holding all in memory.

    Args:
        path: The file; its folder is made. It appears when it is complete.
        annotations: Results of `annotation_of`.
        images: `id`, `file_name`, `height` and `width`; read after the annotations.
        categories: `id`, `name` and `isthing`.

    Returns:
        The number of annotations.
    """
    count = 0

    def pieces() -> Iterator[str]:
        nonlocal count
        yield '{"annotations": ['
        for row in annotations:
            yield ("\n" if count == 0 else ",\n") + to_json(row, compact=True)
            count += 1
        for key, rows in (("images", images), ("categories", categories)):
            yield f'\n],\n"{key}": ['
            yield ",".join("\n" + to_json(row, compact=True) for row in rows)
        yield "\n]}\n"

    def write(place: Path) -> None:
        with place.open("w", encoding="utf-8") as file:
            file.writelines(pieces())

    replace_file(path, write)
    return count


def categories_of(
    names: Sequence[str], things: Iterable[int], category_ids: Sequence[int] | None = None
) -> list[Json]:
    """The list `categories` of a file.

    Args:
        names: Name of each class, by label.
        things: Labels of the classes of countable objects.
        category_ids: Id of each class by label; None uses the label.
    """
    countable = set(things)
    return [
        {
            "id": label if category_ids is None else int(category_ids[label]),
            "name": name,
            "isthing": int(label in countable),
        }
        for label, name in enumerate(names)
    ]
