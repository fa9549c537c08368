"""Ground truth and results in COCO's format: reading, checking, writing.

Both are made ready for the evaluation by the rules of pycocotools' `loadRes`: if the first result
has a box, the area of every result is that of its box, for masks too; otherwise boxes and areas
are those of the masks.
"""

import csv
import json
import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.documents.json_text import parse_json
from vision.errors import DataError
from vision.metrics.coco_rle import as_rle, find_broken
from vision.reading import MAX_TABLE_BYTES, read_file

logger = logging.getLogger(__name__)

Json = dict[str, Any]


class Truth(NamedTuple):
    """Ground truth that is checked; annotations are copies, those of the wanted images alone.

    Attributes:
        contents: `images`, `categories` and `annotations`, as pycocotools takes them.
        sizes: Height and width of each image by its number; None where they are unknown.
        image_ids: Numbers of the images to evaluate, ascending.
        where: What it was read from, for messages.
    """

    contents: Json
    sizes: dict[int, tuple[int, int] | None]
    image_ids: list[int]
    where: str


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It is absent or not whole.
    """
    data = read_file(path, max_bytes=MAX_TABLE_BYTES)
    return parse_json(data, f"'{path}'", finite=False, bulk=True)


def write_json(contents: Any, path: Path) -> None:
    """Write a JSON file, whole or not at all; its folder is made. Floats keep their every bit."""
    _write([json.dumps(contents, indent=1), "\n"], path)


def write_results(results: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write results in COCO's format, one per line, without holding them all.

    Args:
        results: As `evaluate_coco` takes them.
        path: The file; its folder is made. It appears when it is whole.

    Returns:
        The number of results.
    """
    count = 0

    def pieces() -> Iterator[str]:
        nonlocal count
        yield "["
        for result in results:
            yield ("\n" if count == 0 else ",\n") + json.dumps(result, separators=(",", ":"))
            count += 1
        yield "\n]\n"

    _write(pieces(), path)
    return count


def _write(pieces: Iterable[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    part.replace(path)


def write_categories(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows of `CocoResult.categories` as CSV; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_truth(
    truth: Mapping[str, Any] | Path | str,
    *,
    image_ids: Collection[int] | None = None,
    masks: bool = False,
) -> Truth:
    """Read and check ground truth.

    Args:
        truth: The annotations, or the file that holds them.
        image_ids: Images to evaluate; None for all.
        masks: Whether annotations need masks, which are converted to packed run lengths.

    Returns:
        The ground truth; the argument is not changed. `iscrowd` is 0 and `area` that of the mask,
        or else the box, where an annotation has none.

    Raises:
        DataError: Something is absent or wrong; names the file and the annotation.
    """
    where = f"'{truth}'" if isinstance(truth, Path | str) else "the ground truth"
    contents = read_json(truth) if isinstance(truth, Path | str) else truth
    _check_keys(contents, where)
    images = [_image(image, where) for image in contents["images"]]
    sizes = dict(images)
    categories = [_category(one, where) for one in contents["categories"]]
    wanted = set(sizes) if image_ids is None else set(image_ids)
    if unknown := sorted(wanted - set(sizes)):
        raise DataError(
            f"image {unknown[0]} is to be evaluated but not among the {len(sizes)} images of"
            f" {where} ({len(unknown)} such). Are these the annotations of another split?"
        )
    known = {one["id"] for one in categories}
    annotations = _annotations(contents["annotations"], where, sizes, known, wanted, masks)
    _refuse_broken(annotations, "annotation of image", where)
    ready = {
        "images": [{"id": i, **_size(size)} for i, size in images],
        "categories": categories,
        "annotations": annotations,
    }
    return Truth(ready, sizes, sorted(wanted), where)


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
    """Check results and make them ready, by the rules of pycocotools' `loadRes`.

    Args:
        results: As in a file of results.
        truth: What they are to be compared with.
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
    wanted, ready = set(truth.image_ids), []
    boxes = bool(results) and isinstance(results[0], dict) and bool(results[0].get("bbox"))
    need_masks = masks or not boxes
    for index, one in enumerate(results):
        try:
            _check_ids(one, truth.sizes, categories, truth.where)
            result = _result(one, index, truth.sizes[one["image_id"]], boxes, need_masks)
        except KeyError as error:
            raise DataError(f"result {index} of {where} has no {error}.") from error
        except (TypeError, ValueError) as error:
            raise DataError(f"result {index} of {where} {error}.") from error
        if one["image_id"] in wanted:
            ready.append(result)
    if check_masks:
        _refuse_broken(ready, "result for image", where)
    if not boxes:
        _measure_masks(ready)
    return ready


def _check_ids(result: Any, images: Mapping[int, object], categories: set[int], truth: str) -> None:
    if not isinstance(result, dict):
        raise ValueError(f"is {result!r:.40}, not an object with image_id, category_id, score")
    for key, known in (("image_id", images), ("category_id", categories)):
        value = result[key]
        if isinstance(value, str | bool) or value not in known:
            raise ValueError(
                f"has {key} {value!r}, which is not in {truth}, such as {next(iter(known), None)}."
                " The ids are those of the annotations, not labels that count from 0"
            )


def _result(
    result: Json, index: int, size: tuple[int, int] | None, boxes: bool, masks: bool
) -> Json:
    score = float(result["score"])
    if not math.isfinite(score):
        raise ValueError(f"has the score {score}; scores must be finite")
    ready: Json = {
        "id": index + 1,
        "image_id": int(result["image_id"]),
        "category_id": int(result["category_id"]),
        "score": score,
        "iscrowd": 0,
    }
    if boxes:
        ready["bbox"] = _box(result["bbox"])
        ready["area"] = ready["bbox"][2] * ready["bbox"][3]
    if masks:
        ready["segmentation"] = as_rle(result["segmentation"], *_need_size(size))
    return ready


def _measure_masks(results: Sequence[Json]) -> None:
    from pycocotools import mask as mask_tools

    masks = [result["segmentation"] for result in results]
    if masks:
        sides, areas = mask_tools.toBbox(masks).tolist(), mask_tools.area(masks).tolist()
        for result, box, area in zip(results, sides, areas, strict=True):
            result.update(bbox=box, area=area)


def _check_keys(contents: Any, where: str) -> None:
    keys = ("images", "annotations", "categories")
    if not isinstance(contents, Mapping):
        raise DataError(f"{where} holds {type(contents).__name__}, not an object with {keys}.")
    for key in keys:
        if not isinstance(contents.get(key), list | tuple):
            hint = " It lists images alone, as for the test set." if key == "annotations" else ""
            raise DataError(f"{where} has no list '{key}'; expected {', '.join(keys)}.{hint}")
    if not contents["categories"]:
        raise DataError(f"{where} has no category in 'categories': nothing can be evaluated.")


def _image(image: Any, where: str) -> tuple[int, tuple[int, int] | None]:
    if not isinstance(image, dict) or not _is_whole(image.get("id")):
        raise DataError(f"an image of {where} has no whole number as 'id': {image!r:.80}.")
    if not (_is_whole(image.get("height")) and _is_whole(image.get("width"))):
        return int(image["id"]), None
    return int(image["id"]), (int(image["height"]), int(image["width"]))


def _category(one: Any, where: str) -> Json:
    if not isinstance(one, dict) or not _is_whole(one.get("id")):
        raise DataError(f"a category of {where} has no whole number as 'id': {one!r:.80}.")
    return {"id": int(one["id"]), "name": str(one.get("name", one["id"]))}


def _annotations(
    rows: Sequence[Any],
    where: str,
    sizes: Mapping[int, tuple[int, int] | None],
    categories: set[int],
    wanted: set[int],
    masks: bool,
) -> list[Json]:
    seen, ready = set(), []
    for number, one in enumerate(rows):
        try:
            identity, image = one["id"], one["image_id"]
            if identity in seen:
                raise ValueError("is there twice")
            seen.add(identity)
            if image not in sizes:
                raise ValueError(f"names the image {image!r}, which is not listed in 'images'")
            if one["category_id"] not in categories:
                raise ValueError(
                    f"names the category {one['category_id']!r}, which is not listed in"
                    " 'categories'"
                )
            if image in wanted:
                ready.append(_annotation(one, number, sizes[image], masks))
        except KeyError as error:
            raise DataError(f"annotation {number} of {where} has no {error}.") from error
        except (TypeError, ValueError) as error:
            name = one.get("id") if isinstance(one, dict) else one
            raise DataError(f"annotation id {name!r} of {where} {error}. Mend the file.") from error
    return ready


def _annotation(one: Json, number: int, size: tuple[int, int] | None, masks: bool) -> Json:
    if one["id"] == 0:
        logger.warning(
            "An annotation has the id 0: as in pycocotools, a result that matches it counts as"
            " wrong. Number annotations from 1."
        )
    ready: Json = {
        # pycocotools asks of an id only whether it is 0; faster-coco-eval takes one below 0 for 0.
        "id": number + 1 if one["id"] != 0 else 0,
        "image_id": int(one["image_id"]),
        "category_id": int(one["category_id"]),
        "bbox": _box(one["bbox"]),
        "iscrowd": int(one.get("iscrowd", 0)),
    }
    area = one.get("area")
    if masks or (area is None and one.get("segmentation")):
        ready["segmentation"] = as_rle(one["segmentation"], *_need_size(size))
    if area is None:
        area = _area(ready)
    if not math.isfinite(area):
        raise ValueError(f"has the area {area}")
    ready["area"] = float(area)
    return ready


def _area(ready: Json) -> float:
    if "segmentation" not in ready:
        return ready["bbox"][2] * ready["bbox"][3]
    from pycocotools import mask as mask_tools

    return float(mask_tools.area(ready["segmentation"]))


def _box(box: Any) -> list[float]:
    numbers = [float(x) for x in box]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"has the bbox {box}; expected four finite numbers [x, y, width, height]")
    return numbers


def _refuse_broken(ready: Sequence[Json], what: str, where: str) -> None:
    masked = [one for one in ready if "segmentation" in one]
    broken = find_broken([one["segmentation"] for one in masked])
    if broken is not None:
        one = masked[broken]
        raise DataError(
            f"{what} {one['image_id']}, category {one['category_id']}, in {where}: the run lengths"
            f" of its mask do not cover {one['segmentation']['size']}. Write them anew with"
            " pycocotools.mask.encode."
        )


def _need_size(size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        raise ValueError("has a mask, but its image has no 'height' and 'width'")
    return size


def _size(size: tuple[int, int] | None) -> dict[str, int]:
    return {} if size is None else {"height": size[0], "width": size[1]}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
