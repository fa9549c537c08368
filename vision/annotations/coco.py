"""The reader of COCO's format that training, evaluation and checks share.

The format: "Microsoft COCO: Common Objects in Context", Lin et al., 2014, arXiv 1405.0312, and
https://cocodataset.org/#format-data. LVIS ("LVIS: A Dataset for Large Vocabulary Instance
Segmentation", Gupta et al., 2019, arXiv 1908.03195) differs only in the names of the images.
docs/data_detection.md has the rules in one table.

Letters: N images, M objects, K categories.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco_tables import Tables
from vision.annotations.columns import (
    are_numbers,
    check_unique,
    column,
    complete,
    finite,
    flag,
    identities,
    take,
    text_ids,
    whole,
)
from vision.annotations.file_names import file_name_of, name_fault
from vision.annotations.outlines import MAX_PIXELS, Outlines, mask_area, read_outlines
from vision.errors import DataError, listed_lines, shown
from vision.wording import counted

# The largest absolute value of a box in pixels, and of an area: float32 holds both.
MAX_BOX, MAX_AREA = 1e9, 1e18


# A warning: how many annotations (ids are unique), and in which file.
ID_ZERO = (
    "%s annotation of %s has the id 0: as in pycocotools, a result that matches it counts as "
    "wrong. Number annotations from 1."
)


class Images(NamedTuple):
    """The images, by ascending id.

    Attributes:
        ids: int64 `(N,)`, or texts.
        sizes: int64 `(N, 2)`, height and width in pixels; 0 where they are not stated.
        names: Paths below the folder of the images.
    """

    ids: np.ndarray
    sizes: np.ndarray
    names: list[str]


class Categories(NamedTuple):
    """The categories, by ascending id.

    Attributes:
        ids: int64 `(K,)`.
        names: Their names, unique.
    """

    ids: np.ndarray
    names: list[str]


class Objects(NamedTuple):
    """The annotations, in the order of the file or by image and id.

    Attributes:
        ids: int64 `(M,)`, unique.
        images: int64 `(M,)`, index of its image among the ascending ids.
        labels: int64 `(M,)`, index of its category.
        boxes: float64 `(M, 4)`, x, y, width and height in pixels, finite, as in the file.
        areas: float64 `(M,)` in square pixels; where none is stated, the area of the mask or box.
        crowd: bool `(M,)`.
        segmentations: Polygons, run lengths, or None, as in the file.
        outlines: The same in arrays.
    """

    ids: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    segmentations: list[Any]
    outlines: Outlines

    @property
    def unmasked(self) -> np.ndarray:
        """Which objects have no segmentation, bool `(M,)`."""
        return np.array([one is None for one in self.segmentations], dtype=bool)


class CocoFile(NamedTuple):
    """The contents of a file; entries with a problem are left out."""

    images: Images
    categories: Categories
    objects: Objects

    def namer(self) -> Callable[[int], str]:
        """A function that names an object in a message, by its row."""
        return namer(self.objects.ids, self.images.ids[self.objects.images])


def judge(
    tables: Tables, problems: list[str], *, files: bool = True, grouped: bool = False
) -> CocoFile:
    """Check the tables of a COCO file and convert them to arrays.

    Args:
        tables: The lists of the file.
        problems: Takes a line for everything that is wrong, with the id and the key.
        files: Whether images have to have a file name and a size; if not, both may be absent.
        grouped: Whether objects come by image and by id instead of in the order of the file.
    """
    images = read_images(tables, problems, files=files)
    categories = read_categories(tables, problems)
    objects = _read_objects(tables.annotations or (), images, categories, grouped, problems)
    return CocoFile(images, categories, objects)


def problems_error(where: str, problems: Sequence[str], remedy: str = "Fix the file.") -> DataError:
    """The error for a file with problems; it lists the first few.

    Args:
        where: What the message calls the file.
        problems: A line for each problem.
        remedy: What to do, in whole sentences.
    """
    count = counted(len(problems), "problems")
    return DataError(f"{where} has {count}:\n{listed_lines(problems)}\n{remedy}")


def namer(ids: np.ndarray, images: np.ndarray) -> Callable[[int], str]:
    """A function that names an object in a message, by its row.

    Args:
        ids: Ids of the objects.
        images: Id of the image of each.
    """
    return lambda row: f"annotation {ids[row]} (image {images[row]})"


def read_images(
    tables: Tables, problems: list[str], *, files: bool = True, texts: bool = False
) -> Images:
    """Check the images of a COCO file and convert them to arrays.

    Args:
        tables: The lists of the file.
        problems: Takes a line for everything that is wrong, with the id and the key.
        files: Whether images have to have a file name and a size; if not, both may be absent.
        texts: Whether their ids are texts instead of whole numbers.
    """
    keys = ("id", "height", "width") if files else ("id",)
    records = complete(tables.images, keys, "images", problems)
    if not tables.images:
        problems.append("images: the list is empty")
    ids, good = (text_ids if texts else identities)(records, "id", "images", problems)
    records, ids = take(records, good), ids[good]
    check_unique(ids, "images", problems)
    order = np.argsort(ids, kind="stable")
    records, ids = take(records, order), ids[order]
    sizes = np.stack([_sides(records, ids, key, files, problems) for key in ("height", "width")], 1)
    sizes[(sizes == 0).any(axis=1)] = 0
    large = sizes[:, 0] > MAX_PIXELS // np.maximum(sizes[:, 1], 1)
    for row in np.flatnonzero(large).tolist():
        height, width = sizes[row].tolist()
        problems.append(
            f"image {ids[row]}: 'width' and 'height' are {width:,} x {height:,} pixels, expected "
            f"at most {MAX_PIXELS:,} in all"
        )
    sizes[large] = 0
    names = [file_name_of(record) for record in records]
    if files:
        for number, name, record in zip(ids.tolist(), names, records, strict=True):
            if fault := name_fault(name, record):
                problems.append(f"image {number}: {fault}")
    return Images(ids, sizes, names)


def _sides(
    records: list[Any], ids: np.ndarray, key: str, required: bool, problems: list[str]
) -> np.ndarray:
    """Heights or widths, int64 `(N,)`; 0 where they are wrong, or absent and not required."""
    values = [record.get(key) for record in records]
    stated = np.array([required or value is not None for value in values], dtype=bool)
    sides, refused = column([0 if value is None else value for value in values], whole)
    for row in np.flatnonzero(stated & (refused | (sides < 1))).tolist():
        problems.append(
            f"image {ids[row]}: '{key}' is {shown(values[row])}, expected a whole number of pixels "
            "from 1 on"
        )
    return np.maximum(sides, 0)


def read_categories(tables: Tables, problems: list[str]) -> Categories:
    """Check the categories of a COCO file and convert them to arrays.

    Args:
        tables: The lists of the file.
        problems: Takes a line for everything that is wrong, with the id and the key.
    """
    if not tables.categories:
        if tables.annotations is not None:
            problems.append("categories: the list is absent or empty")
        return Categories(np.zeros(0, dtype=np.int64), [])
    records = complete(tables.categories, ("id", "name"), "categories", problems)
    ids, good = identities(records, "id", "categories", problems)
    records, ids = take(records, good), ids[good]
    check_unique(ids, "categories", problems)
    order = np.argsort(ids, kind="stable")
    names = [record["name"] for record in take(records, order)]
    owners: dict[str, int] = {}
    for number, name in zip(ids[order].tolist(), names, strict=True):
        if not isinstance(name, str) or not name.strip():
            problems.append(f"category {number}: 'name' is {shown(name)}, expected text")
        # Names that differ only in blanks around them are the same.
        elif owners.setdefault(name.strip(), number) != number:
            problems.append(
                f"categories {owners[name.strip()]} and {number} have the same name "
                f"{shown(name.strip())}; give each its own, or one id to both"
            )
    return Categories(ids[order], list(map(str, names)))


def _read_objects(
    rows: Sequence[Any],
    images: Images,
    categories: Categories,
    grouped: bool,
    problems: list[str],
) -> Objects:
    records = complete(rows, ("id", "image_id", "category_id", "bbox"), "annotations", problems)
    ids, good = identities(records, "id", "annotation", problems)
    check_unique(ids[good], "annotations", problems)
    own, has_image = identities(records, "image_id", "annotation", problems)
    category, has_category = identities(records, "category_id", "annotation", problems)
    good &= has_image & has_category
    name = namer(ids, own)
    image = _places(own, images.ids, ("image_id", "images"), good, name, problems)
    label = _places(category, categories.ids, ("category_id", "categories"), good, name, problems)
    good &= (image >= 0) & (label >= 0)
    order = np.flatnonzero(good)
    if grouped:
        order = order[np.lexsort((ids[order], image[order]))]
    records, ids, image, label = take(records, order), ids[order], image[order], label[order]
    name = namer(ids, own[order])
    sizes = images.sizes[image]
    boxes = _read_boxes(records, name, problems)
    segmentations = [record.get("segmentation") for record in records]
    # Some programs write an empty list for no segmentation, like null.
    segmentations = [None if one == [] else one for one in segmentations]
    outlines, faults = read_outlines(segmentations, sizes)
    problems += [f"{name(row)}: {faults[row]}" for row in sorted(faults)]
    crowd = _read_crowd(records, name, problems)
    areas = _read_areas(records, name, problems)
    areas[list(faults)] = 0
    _fill_areas(areas, boxes, segmentations, sizes)
    return Objects(ids, image, label, boxes, areas, crowd, segmentations, outlines)


def _places(
    wanted: np.ndarray,
    ids: np.ndarray,
    names: tuple[str, str],
    good: np.ndarray,
    name: Callable[[int], str],
    problems: list[str],
) -> np.ndarray:
    """The index of each id among ascending ones, int64 `(M,)`; -1 where it is not listed."""
    places = np.searchsorted(ids, wanted)
    listed = np.isin(wanted, ids)
    for row in np.flatnonzero(good & ~listed).tolist():
        problems.append(f"{name(row)}: its {names[0]} {wanted[row]} is not listed in '{names[1]}'")
    return np.where(listed, places, -1)


def _read_boxes(records: list[Any], name: Callable[[int], str], problems: list[str]) -> np.ndarray:
    """The boxes, float64 `(M, 4)`; those with a problem are zeros."""
    boxes = [record["bbox"] for record in records]
    if not _are_boxes(boxes):
        for row, box in enumerate(boxes):
            if not _are_boxes([box]):
                problems.append(
                    f"{name(row)}: 'bbox' is {shown(box)}, expected [x, y, width, height]"
                )
                boxes[row] = [0.0] * 4
    try:
        found = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    except OverflowError:  # an integer of hundreds of digits
        found = np.array([[_near(value) for value in box] for box in boxes]).reshape(-1, 4)
    near = (np.abs(found) <= MAX_BOX).all(axis=1)  # false for NaN
    for row in np.flatnonzero(~near).tolist():
        problems.append(
            f"{name(row)}: 'bbox' is {shown(boxes[row])}, expected finite numbers of pixels up to "
            f"{MAX_BOX:,.0f}"
        )
    found[~near] = 0
    return found


def _are_boxes(boxes: list[Any]) -> bool:
    if not all(issubclass(kind, list | tuple | np.ndarray) for kind in set(map(type, boxes))):
        return False
    if set(map(len, boxes)) - {4}:
        return False
    return are_numbers(set(map(type, chain.from_iterable(boxes))))


def _near(value: Any) -> float:
    number = finite(value)
    return np.inf if number is None else number


def _read_crowd(records: list[Any], name: Callable[[int], str], problems: list[str]) -> np.ndarray:
    values = [record.get("iscrowd") for record in records]
    crowd, refused = column(values, flag)
    for row in np.flatnonzero(refused).tolist():
        problems.append(f"{name(row)}: 'iscrowd' is {shown(values[row])}, expected 0 or 1")
    return crowd.astype(bool)


def _read_areas(records: list[Any], name: Callable[[int], str], problems: list[str]) -> np.ndarray:
    """The stated areas, float64 `(M,)`; NaN where none is stated, 0 where it is wrong."""
    values = [record.get("area") for record in records]
    absent = np.array([value is None for value in values], dtype=bool)
    areas = np.array([np.nan if value is None else _near(value) for value in values])
    for row in np.flatnonzero(~absent & ~((areas >= 0) & (areas <= MAX_AREA))).tolist():
        problems.append(
            f"{name(row)}: 'area' is {shown(values[row])}, expected a number, 0 to {MAX_AREA:g}"
        )
        areas[row] = 0
    return areas


def _fill_areas(
    areas: np.ndarray, boxes: np.ndarray, segmentations: Sequence[Any], sizes: np.ndarray
) -> None:
    """Replace NaN in `areas` by the area of the mask, or else of the box."""
    absent = np.flatnonzero(np.isnan(areas))
    areas[absent] = boxes[absent, 2:].clip(min=0).prod(axis=1)
    for row in absent.tolist():
        # A polygon can only be drawn in an image of known size.
        if segmentations[row] is not None and sizes[row, 0]:
            areas[row] = mask_area(segmentations[row], *sizes[row].tolist())
