"""Instance masks in files: the text files of Cityscapes' scripts, and COCO's results."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vision.annotations.columns import identity
from vision.documents.text import read_text
from vision.errors import DataError, listed, shown
from vision.metrics.cityscapes.instances import LABEL_IDS
from vision.metrics.coco.files import Truth, read_json, read_results
from vision.ops.png import png_size
from vision.reading import MAX_IMAGE_BYTES, open_file

_LINE = "expected the path of a mask relative to the text file, a label id such as 26, and a score"


class FoundMask(NamedTuple):
    """A detection whose mask is not read yet.

    Attributes:
        label: Its label id.
        score: Its score.
        mask: A PNG file, or packed run lengths.
    """

    label: int
    score: float
    mask: Path | Mapping[str, Any]


def read_text_results(folder: Path, keys: Sequence[str]) -> dict[str, list[FoundMask]]:
    """Read a text file for each image, a line per detection: `mask.png 26 0.93`.

    Args:
        folder: Where they are, in sub-folders too; their names begin with those of the images.
        keys: Names of the images, such as `"frankfurt_000000_000294"`.

    Raises:
        DataError: A file is absent, there are two, or a line is wrong; the message has the place.
    """
    known = set(keys)
    files: dict[str, Path] = {}
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = Path(place, name)
            key = _key_of(path.stem, known) if path.suffix == ".txt" else None
            if key is not None and key in files:
                raise DataError(
                    f"'{files[key]}' and '{path}' are both of the image '{key}'; remove one."
                )
            if key is not None:
                files[key] = path
    if missing := [key for key in keys if key not in files]:
        raise DataError(
            f"{len(missing):,} of {len(keys):,} images have no text file in '{folder}', such as"
            f" {listed((f'{key}*.txt' for key in missing), maximum=3)}. Each image has a file; that"
            " of one without detections is empty."
        )
    return {key: _lines(files[key], folder) for key in keys}


def _lines(path: Path, folder: Path) -> list[FoundMask]:
    found: dict[str, FoundMask] = {}
    for number, line in enumerate(read_text(path, what="file of detections").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"'{path}', line {number}"
        one = _parse_line(line, path, folder, where)
        if str(one.mask) in found:
            raise DataError(
                f"{where} names the mask '{one.mask}' again. Each detection has a file of its own:"
                " Cityscapes' scripts read only the last of such lines."
            )
        found[str(one.mask)] = one
    return list(found.values())


def _parse_line(line: str, path: Path, folder: Path, where: str) -> FoundMask:
    parts = line.split()
    try:
        name, label, score = parts[0], float(parts[1]), float(parts[2])
    except (ValueError, IndexError):
        raise DataError(f"{where}: {shown(line)}; {_LINE}.") from None
    if len(parts) > 3 or not math.isfinite(score) or label not in LABEL_IDS.values():
        raise DataError(f"{where}: {shown(line)}; {_LINE}.")
    mask = Path(os.path.normpath(path.parent / name))
    if os.path.isabs(name) or not mask.is_relative_to(os.path.normpath(folder)):
        raise DataError(f"{where}: '{name}' leads out of '{folder}'; {_LINE}.")
    return FoundMask(int(label), score, mask)


def read_coco_results(
    path: Path, truth: Mapping[str, Path], images: Path | None
) -> dict[str, list[FoundMask]]:
    """Read results in COCO's format.

    Args:
        path: The results, JSON, with `segmentation`.
        truth: Instance ids, PNG files, by the name of the image.
        images: File in COCO's format that names the images and categories; None if the ids do.

    Raises:
        DataError: A file breaks its format, or a result has an unknown image or category.
    """
    where = f"'{path}'"
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(f"{where} holds {type(rows).__name__}, not a list of results.")
    names, labels = ({}, {}) if images is None else _names(images, truth)
    keys = [*truth]
    places = {key: place for place, key in enumerate(keys, start=1)}
    ready = []
    for index, one in enumerate(rows):
        if isinstance(one, Mapping) and {"image_id", "category_id"} <= one.keys():
            image, category = one["image_id"], one["category_id"]
            key, label = image, identity(category)
            if images is not None:
                number = identity(image)
                key = image if number is None else names.get(number)
                label = None if label is None else labels.get(label)
            if not isinstance(key, str) or key not in places:
                raise DataError(_unknown_image(index, where, image, keys, images))
            if label not in LABEL_IDS.values():
                raise DataError(_unknown_category(index, where, category, images))
            one = {**one, "image_id": places[key], "category_id": label}
        ready.append(one)
    sizes = {places[key]: _png_size(file) for key, file in truth.items()}
    contents = {"categories": [{"id": label} for label in LABEL_IDS.values()]}
    known = Truth(contents, sizes, [*sizes], "the annotations")
    found: dict[str, list[FoundMask]] = {}
    for one in read_results(ready, known, where=where, masks=True):
        mask = FoundMask(one["category_id"], one["score"], one["segmentation"])
        found.setdefault(keys[one["image_id"] - 1], []).append(mask)
    return found


def _names(path: Path, truth: Collection[str]) -> tuple[dict[int, str], dict[int, int]]:
    """Name of each image that is annotated and label id of each category, by their ids."""
    contents = read_json(path)
    images, categories = (
        contents.get(name) if isinstance(contents, Mapping) else None
        for name in ("images", "categories")
    )
    if not isinstance(images, list) or not isinstance(categories, list):
        raise DataError(f"'{path}' has no lists 'images' and 'categories', as COCO's files have.")
    known = set(truth)
    names: dict[int, str] = {}
    labels: dict[int, int] = {}
    for number, one in _identified(images):
        key = _key_of(Path(str(one.get("file_name", ""))).stem, known)
        if key is not None:
            names[number] = key
    for number, one in _identified(categories):
        name = one.get("name")
        if name not in LABEL_IDS:
            raise DataError(
                f"'{path}', category {number}: {shown(name)} is no label of Cityscapes; those that"
                " are evaluated are person, rider, car, truck, bus, train, motorcycle, bicycle."
            )
        labels[number] = LABEL_IDS[name]
    return names, labels


def _identified(records: Sequence[Any]) -> list[tuple[int, Mapping[str, Any]]]:
    return [
        (number, one)
        for one in records
        if isinstance(one, Mapping) and (number := identity(one.get("id"))) is not None
    ]


def _key_of(stem: str, keys: Collection[str]) -> str | None:
    """The name of the image that the name of a file begins with, in whole parts."""
    parts = stem.split("_")
    names = ("_".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in keys), None)


def _png_size(path: Path) -> tuple[int, int] | None:
    with open_file(path, max_bytes=MAX_IMAGE_BYTES, what="mask") as file:
        return png_size(file.read(24) or b"")


def _unknown_image(
    index: int, where: str, image: Any, keys: Sequence[str], images: Path | None
) -> str:
    message = f"result {index} of {where} has the image_id {shown(image)}, which is not one of the "
    if images is not None:
        return f"{message}annotated images, by the file_name that '{images}' gives it."
    hint = "" if isinstance(image, str) else " For numbers, give the file of their images: --images"
    return f"{message}{len(keys):,} annotated images, such as {keys[0]!r}.{hint}"


def _unknown_category(index: int, where: str, category: Any, images: Path | None) -> str:
    known = f"a category of '{images}'" if images else "a label id of Cityscapes, such as 26 (car)"
    return f"result {index} of {where} has the category_id {shown(category)}, which is not {known}."
