"""Instance masks in COCO's results, of Cityscapes' images."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.annotations.columns import identity
from vision.errors import DataError, shown
from vision.metrics.cityscapes.instances import LABEL_IDS
from vision.metrics.cityscapes.results import FoundMask, image_key
from vision.metrics.coco.files import Truth, read_json
from vision.metrics.coco.results import read_results
from vision.ops.png import png_size
from vision.reading import MAX_IMAGE_BYTES, open_file


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
        key = image_key(Path(str(one.get("file_name", ""))).stem, known)
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
