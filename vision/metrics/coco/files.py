"""Ground truth and files in COCO's format: reading, checking, writing."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import ID_ZERO, CocoFile, judge, problems_error
from vision.annotations.coco_kinds import require_federation, require_objects
from vision.annotations.coco_tables import find_tables, load_json
from vision.annotations.lvis import FREQUENCIES, Federation, read_federation
from vision.annotations.outlines import to_run_lengths
from vision.documents.csv_writing import write_rows
from vision.documents.json_writing import to_json
from vision.errors import DataError
from vision.files import replace_file, write_text
from vision.reading import MAX_TABLE_BYTES, read_file

logger = logging.getLogger(__name__)

Json = dict[str, Any]


class Truth(NamedTuple):
    """Checked ground truth; annotations are copies, only for the wanted images.

    Attributes:
        contents: `images`, `categories` and `annotations`, as pycocotools accepts them; with what
            LVIS adds, if it was asked for.
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
    return load_json(data, path)


def write_json(contents: Any, path: Path) -> None:
    """Write a JSON file, whole or not at all; its folder is made. Floats keep every bit."""
    write_text(path, to_json(contents, indent=1) + "\n")


def write_results(results: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write results in COCO's format, one per line, without holding all in memory.

    Args:
        results: As `evaluate_coco` accepts them.
        path: The file; its folder is made. It appears when it is complete.

    Returns:
        The number of results.
    """
    count = 0

    def pieces() -> Iterator[str]:
        nonlocal count
        yield "["
        for result in results:
            yield ("\n" if count == 0 else ",\n") + to_json(result, compact=True)
            count += 1
        yield "\n]\n"

    def write(place: Path) -> None:
        with place.open("w", encoding="utf-8") as file:
            file.writelines(pieces())

    replace_file(path, write)
    return count


def write_categories(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows of `CocoResult.categories` as CSV; the folder is made."""
    write_rows(path, rows)


def read_truth(
    truth: Mapping[str, Any] | Path | str,
    *,
    image_ids: Collection[int] | None = None,
    masks: bool = False,
    federated: bool = False,
) -> Truth:
    """Read ground truth by the same rules as in training (`vision.annotations.coco`).

    Args:
        truth: The annotations, or the file that holds them.
        image_ids: Images to evaluate; None for all.
        masks: Whether annotations need masks, which are converted to packed run lengths.
        federated: Whether images and categories need what LVIS says of them: the absent and the
            not exhaustively annotated categories, and how frequent a category is.

    Returns:
        The ground truth; the argument is not changed.

    Raises:
        DataError: Something is absent or wrong; the message names the file and first annotations.
    """
    where = f"'{truth}'" if isinstance(truth, Path | str) else "the ground truth"
    contents = read_json(truth) if isinstance(truth, Path | str) else truth
    tables = find_tables(contents, where)
    require_objects(tables, where)
    if federated:
        require_federation(tables, where)
    if tables.annotations is None:
        raise DataError(
            f"{where} has no list 'annotations': it lists only images, as for the test set."
        )
    problems: list[str] = []
    file = judge(tables, problems, files=False)
    federation = read_federation(tables, file, problems) if federated else None
    if problems:
        raise problems_error(where, problems)
    ids = file.images.ids.tolist()
    wanted = set(ids) if image_ids is None else set(image_ids)
    if unknown := sorted(wanted - set(ids)):
        raise DataError(
            f"image {unknown[0]} is to be evaluated but not among the {len(ids)} images of"
            f" {where} ({len(unknown)} such). Are these the annotations of another split?"
        )
    sizes = [(height, width) if height else None for height, width in file.images.sizes.tolist()]
    pairs = list(zip(ids, sizes, strict=True))
    ready = {
        "images": [{"id": i, **_size(size)} for i, size in pairs],
        "categories": [
            {"id": number, "name": name}
            for number, name in zip(
                file.categories.ids.tolist(), file.categories.names, strict=True
            )
        ],
        "annotations": _annotations(file, wanted, masks, where),
    }
    if federation is not None:
        _add_federation(ready, federation)
    return Truth(ready, dict(pairs), sorted(wanted), where)


def _add_federation(contents: Json, federation: Federation) -> None:
    """Add what LVIS says of images and categories, under the names of its files."""
    images, categories = contents["images"], contents["categories"]
    letters = [*FREQUENCIES]
    for category, place in zip(categories, federation.frequencies.tolist(), strict=True):
        category["frequency"] = letters[place]
    for key, pairs in (
        ("neg_category_ids", federation.negative),
        ("not_exhaustive_category_ids", federation.not_exhaustive),
    ):
        for image in images:
            image[key] = []
        for image, category in pairs.tolist():
            images[image][key].append(categories[category]["id"])


def _annotations(file: CocoFile, wanted: set[int], masks: bool, where: str) -> list[Json]:
    """The annotations of the wanted images for pycocotools, in the order of the file."""
    objects = file.objects
    if (objects.ids == 0).any():
        logger.warning(ID_ZERO, 1, where)
    images = file.images.ids[objects.images]
    rows = np.flatnonzero(np.isin(images, [*wanted]))
    columns = (
        rows.tolist(),
        objects.ids[rows].tolist(),
        images[rows].tolist(),
        file.categories.ids[objects.labels[rows]].tolist(),
        objects.boxes[rows].tolist(),
        objects.crowd[rows].tolist(),
        objects.areas[rows].tolist(),
    )
    ready: list[Json] = [
        {
            # pycocotools only checks whether an id is 0; faster-coco-eval reads a negative id as 0.
            "id": row + 1 if identity != 0 else 0,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "iscrowd": int(crowd),
            "area": area,
        }
        for row, identity, image, category, box, crowd, area in zip(*columns, strict=True)
    ]
    if masks:
        _require_masks(file, where)
        sizes = file.images.sizes[objects.images[rows]].tolist()
        for one, row, size in zip(ready, rows.tolist(), sizes, strict=True):
            one["segmentation"] = to_run_lengths(objects.segmentations[row], *size)
    return ready


def _require_masks(file: CocoFile, where: str) -> None:
    """Raise an error unless every object has a mask, and its image a size."""
    objects = file.objects
    name, unmasked = file.namer(), objects.unmasked
    unsized = file.images.sizes[objects.images, 0] == 0
    problems = [
        f"{name(row)}: it has no 'segmentation', but masks are evaluated"
        if unmasked[row]
        else f"{name(row)}: it has a mask, but its image no 'height' and 'width'"
        for row in np.flatnonzero(unmasked | unsized).tolist()
    ]
    if problems:
        raise problems_error(where, problems)


def _size(size: tuple[int, int] | None) -> dict[str, int]:
    return {} if size is None else {"height": size[0], "width": size[1]}
