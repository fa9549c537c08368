"""Results in COCO's format: checked and prepared by the rules of pycocotools' `loadRes`.

If the first result has a box, the area of every result is the area of its box, for masks too;
otherwise boxes and areas are computed from the masks.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from vision.annotations.coco import MAX_BOX
from vision.annotations.columns import finite, identity, plain_floats
from vision.annotations.outlines import outline_fault, packed_text, to_run_lengths
from vision.annotations.run_lengths import broken_rows, mask_areas
from vision.errors import DataError, shown
from vision.metrics.coco.files import Json, Truth

_SIZE_AND_COUNTS = itemgetter("size", "counts")


def has_masks(results: Any) -> bool:
    """Whether results have masks: the first one decides, as in pycocotools."""
    first = results[0] if isinstance(results, list | tuple) and results else None
    return isinstance(first, dict) and "segmentation" in first


def read_results(
    results: Sequence[Mapping[str, Any]],
    truth: Truth,
    *,
    where: str,
    masks: bool,
    check_masks: bool = True,
) -> list[Json]:
    """Check and prepare results, by the rules of pycocotools' `loadRes`.

    Ids, numbers and masks are read by the rules of annotations.

    Args:
        results: As in a file of results.
        truth: Ground truth to compare with.
        where: What they were read from, for messages.
        masks: Whether masks are evaluated.
        check_masks: Whether to look for run lengths that do not cover their mask.

    Returns:
        Copies of the results for the wanted images, with `id`, `area` and `iscrowd`.

    Raises:
        DataError: A result lacks something, or names an image or a category that is not there.
    """
    if not isinstance(results, list | tuple):
        raise DataError(
            f"{where} holds {type(results).__name__}, not a list of results, each with image_id,"
            " category_id, score, and bbox or segmentation."
        )
    categories = {one["id"] for one in truth.contents["categories"]}
    boxes = bool(results) and isinstance(results[0], dict) and _is_stated(results[0].get("bbox"))
    ready = _quick_rows(results, truth, categories, boxes=boxes)
    if ready is None:
        ready = _rows(results, truth, categories, boxes=boxes, where=where)
    if masks or not boxes:
        _add_masks(ready, results, truth, where, check=check_masks)
    wanted = set(truth.image_ids)
    if not wanted >= truth.sizes.keys():
        ready = [one for one in ready if one["image_id"] in wanted]
    if check_masks:
        _refuse_broken(ready, where)
    if not boxes:
        _measure_masks(ready)
    return ready


def _quick_rows(
    results: Sequence[Any], truth: Truth, categories: set[int], *, boxes: bool
) -> list[Json] | None:
    """What `_rows` gives, made from whole columns; None if a value is not as `json` reads it."""
    keys = ("image_id", "category_id", "score", *(("bbox",) if boxes else ()))
    try:
        columns = [list(map(itemgetter(key), results)) for key in keys]
    except (KeyError, TypeError, IndexError):
        return None
    scores = plain_floats(columns[2])
    known = (truth.sizes.keys(), categories)
    if scores is None or not all(
        set(map(type, ids)) <= {int} and set(ids) <= those
        for ids, those in zip(columns[:2], known, strict=True)
    ):
        return None
    ready: list[Json] = [
        {"id": row, "image_id": image, "category_id": category, "score": score, "iscrowd": 0}
        for row, image, category, score in zip(
            range(1, len(results) + 1), *columns[:2], scores.tolist(), strict=True
        )
    ]
    if boxes:
        sides = columns[3]
        if not (set(map(type, sides)) <= {list, tuple} and set(map(len, sides)) <= {4}):
            return None
        numbers = plain_floats(list(chain.from_iterable(sides)))
        if numbers is None or (np.abs(numbers) > MAX_BOX).any():
            return None
        numbers = numbers.reshape(-1, 4)
        areas = (numbers[:, 2] * numbers[:, 3]).tolist()
        for one, box, area in zip(ready, numbers.tolist(), areas, strict=True):
            one["bbox"], one["area"] = box, area
    return ready


def _rows(
    results: Sequence[Any], truth: Truth, categories: set[int], *, boxes: bool, where: str
) -> list[Json]:
    """The results but for their masks.

    Raises:
        DataError: A result is not what it should be.
    """
    ready: list[Json] = []
    try:
        for index, one in enumerate(results):
            ready.append(_result(one, index, truth, categories, boxes=boxes))
    except (KeyError, ValueError) as error:
        raise _named(error, len(ready), where) from error
    return ready


def _add_masks(
    ready: Sequence[Json], results: Sequence[Any], truth: Truth, where: str, *, check: bool
) -> None:
    """Add the packed run lengths of each result.

    Raises:
        DataError: A result has no mask, or one that cannot be read.
    """
    sizes = {image: size and list(size) for image, size in truth.sizes.items()}
    expected = [sizes[one["image_id"]] for one in ready]
    masks = _quick_masks(results, expected)
    if masks is None:
        masks = []
        try:
            for result, size in zip(results, expected, strict=True):
                masks.append(_packed(result["segmentation"], size, check))
        except (KeyError, ValueError) as error:
            raise _named(error, len(masks), where) from error
    for one, mask in zip(ready, masks, strict=True):
        one["segmentation"] = mask


def _quick_masks(results: Sequence[Any], sizes: Sequence[list[int] | None]) -> list[Json] | None:
    """The masks if all are packed text of the size of their image; None if one is not."""
    try:
        stated, texts = zip(
            *(_SIZE_AND_COUNTS(one["segmentation"]) for one in results), strict=True
        )
    except (KeyError, TypeError, ValueError):
        return None
    if not (set(map(type, stated)) <= {list} and set(map(type, texts)) <= {str}):
        return None
    if not set(map(type, chain.from_iterable(stated))) <= {int} or list(stated) != sizes:
        return None
    if not all(map(str.isascii, texts)):
        return None
    return [
        {"size": size, "counts": text.encode()} for size, text in zip(sizes, texts, strict=True)
    ]


def _named(error: KeyError | ValueError, index: int, where: str) -> DataError:
    """The error of a result, with its place."""
    what = f"has no {error}" if isinstance(error, KeyError) else str(error)
    return DataError(f"result {index} of {where} {what}.")


def _is_stated(box: Any) -> bool:
    return box is not None and (not hasattr(box, "__len__") or len(box) > 0)


def _result(result: Any, index: int, truth: Truth, categories: set[int], *, boxes: bool) -> Json:
    """A result but for its mask.

    Raises:
        ValueError: Something in it is not what it should be.
    """
    if not isinstance(result, Mapping):
        raise ValueError(f"is {shown(result)}, not an object with image_id, category_id, score")
    ids = (
        _known(result, key, known, truth.where)
        for key, known in (("image_id", truth.sizes), ("category_id", categories))
    )
    ready: Json = {"id": index + 1, **dict(zip(("image_id", "category_id"), ids, strict=True))}
    score = finite(result["score"])
    if score is None:
        raise ValueError(f"has the score {shown(result['score'])}; expected a finite number")
    ready |= {"score": score, "iscrowd": 0}
    if boxes:
        ready["bbox"] = _box(result["bbox"])
        ready["area"] = ready["bbox"][2] * ready["bbox"][3]
    return ready


def _known(result: Mapping[str, Any], key: str, known: Collection[int], where: str) -> int:
    number = identity(result[key])
    if number is None or number not in known:
        raise ValueError(
            f"has {key} {shown(result[key])}, which is not in {where}, such as "
            f"{next(iter(known), None)}. The ids come from the annotations; they are not labels "
            "that count from 0"
        )
    return number


def _packed(segmentation: Any, size: list[int] | None, check: bool) -> Json:
    """Packed run lengths; whether they cover the mask is checked later, for all at once."""
    if size is None:
        raise ValueError("has a mask, but its image has no 'height' and 'width'")
    if not check:
        return to_run_lengths(segmentation, *size)
    if isinstance(segmentation, Mapping) and isinstance(segmentation.get("counts"), bytes | str):
        return {"size": size, "counts": packed_text(segmentation, *size)}
    if fault := outline_fault(segmentation, *size):
        raise ValueError(f"has a mask that cannot be read: {fault}")
    return to_run_lengths(segmentation, *size)


def _measure_masks(results: Sequence[Json]) -> None:
    from pycocotools import mask as mask_tools

    masks = [result["segmentation"] for result in results]
    if masks:
        sides, areas = mask_tools.toBbox(masks).tolist(), mask_areas(masks)
        for result, box, area in zip(results, sides, areas, strict=True):
            result.update(bbox=box, area=area)


def _box(box: Any) -> list[float]:
    numbers = [finite(x) for x in box] if isinstance(box, list | tuple | np.ndarray) else []
    if len(numbers) != 4 or any(x is None or abs(x) > MAX_BOX for x in numbers):
        raise ValueError(
            f"has the bbox {shown(box)}; expected four finite numbers [x, y, width, height]"
        )
    return numbers  # type: ignore[return-value]


def _refuse_broken(ready: Sequence[Json], where: str) -> None:
    masked = [one for one in ready if "segmentation" in one]
    texts = [one["segmentation"]["counts"] for one in masked]
    packed = [text if isinstance(text, bytes) else text.encode() for text in texts]
    pixels = [math.prod(one["segmentation"]["size"]) for one in masked]
    broken = np.flatnonzero(broken_rows(packed, pixels))
    if len(broken):
        one = masked[broken[0]]
        raise DataError(
            f"result {one['id'] - 1} of {where}, for image {one['image_id']} and category"
            f" {one['category_id']}: the run lengths of its mask do not cover"
            f" {one['segmentation']['size']}. Write them again with pycocotools.mask.encode."
        )
