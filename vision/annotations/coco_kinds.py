"""What a JSON file with COCO's lists is: objects, or one of the other files that look alike.

COCO's annotations come in several forms (https://cocodataset.org/#format-data), and LVIS has its
own; all of them hold the lists `images`, `annotations` and `categories`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from vision.annotations.coco_tables import Tables
from vision.annotations.columns import identity
from vision.errors import DataError, shown
from vision.program import command

Kind = Literal["objects", "lvis"]
# By which key of the first annotation a file without objects is known, and what it is.
_OTHERS = {
    "segments_info": (
        "holds panoptic annotations ('segments_info'), which vision.data.COCOPanoptic reads. "
        "Expected objects with boxes, as in instances_train2017.json"
    ),
    "caption": (
        "holds captions ('caption'), which no dataset of the suite reads. Expected objects with "
        "boxes, as in instances_train2017.json"
    ),
}


def require_objects(tables: Tables, where: str) -> None:
    """Raise an error unless a file holds objects, by COCO's or LVIS' rules.

    Args:
        tables: The lists of the file.
        where: What the message calls the file.

    Raises:
        DataError: It holds panoptic annotations or captions, or names its images by texts.
    """
    first = _first(tables.annotations)
    for key, message in _OTHERS.items():
        if key in first and "bbox" not in first:
            raise DataError(f"{where} {message}.")
    ids = [record.get("id") for record in tables.images if isinstance(record, Mapping)]
    if ids and all(isinstance(one, str) and identity(one) is None for one in ids):
        raise DataError(
            f"{where} has texts for the ids of its images, such as {shown(ids[0])}, as Open Images "
            "names them. Expected whole numbers: number the images from 1, and write these numbers "
            "as 'id' of the images and 'image_id' of the annotations."
        )


def kind_of(tables: Tables) -> Kind:
    """By whose rules a file of objects is made, by its first entry."""
    return "lvis" if "neg_category_ids" in _first(tables.images) else "objects"


def require_kind(kind: Kind, expected: Kind, where: str) -> None:
    """Raise an error if a file of COCO's rules is given where LVIS' are read, or the reverse.

    Args:
        kind: What the file is, `"objects"` or `"lvis"`.
        expected: What is read.
        where: What the message calls the file.

    Raises:
        DataError: They differ.
    """
    if kind == expected:
        return
    if kind == "lvis":
        raise DataError(
            f"{where} is an LVIS file (its images have 'neg_category_ids'), which is evaluated by "
            "rules of its own: vision.data.LVIS reads it, with the same options as COCO."
        )
    raise DataError(
        f"{where} is not an LVIS file: its images have no 'neg_category_ids', without which LVIS' "
        "evaluation is not defined. vision.data.COCO reads it, with the same options as LVIS."
    )


def require_federation(tables: Tables, where: str) -> None:
    """Raise an error if nothing in a file is LVIS', which is one message in place of thousands.

    Args:
        tables: The lists of the file.
        where: What the message calls the file.

    Raises:
        DataError: It has neither what LVIS says of images nor what it says of categories.
    """
    if kind_of(tables) != "lvis" and "frequency" not in _first(tables.categories):
        raise DataError(
            f"{where} is not an LVIS file: its images have no 'neg_category_ids', its categories no"
            f" 'frequency'. `{command('evaluate')} coco` compares results with it by COCO's rules."
        )


def has_keypoints(tables: Tables) -> bool:
    """Whether a file holds the keypoints of persons, as person_keypoints_train2017.json does."""
    return "keypoints" in _first(tables.annotations) or "keypoints" in _first(tables.categories)


def _first(table: Sequence[Any] | None) -> Mapping[str, Any]:
    first = table[0] if table else None
    return first if isinstance(first, Mapping) else {}
