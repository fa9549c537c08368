"""What LVIS' files say beyond COCO's: how frequent a category is, and what images were checked for.

"LVIS: A Dataset for Large Vocabulary Instance Segmentation", Gupta et al., 2019, arXiv 1908.03195,
section 3.1: a federated dataset. Each category has its own images in which it is present, others in
which it is known to be absent, and some of the former in which not every instance is marked. In
all other images nothing is known of it.

Letters: N images, K categories, P pairs of an image and a category.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import CocoFile
from vision.annotations.coco_tables import Tables
from vision.annotations.columns import column, identity
from vision.errors import shown

# Training images with a category: 1 to 10, 11 to 100, more.
FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}


class Federation(NamedTuple):
    """What LVIS knows of its images and categories.

    Attributes:
        frequencies: int8 `(K,)` by ascending id of the category: 0 rare, 1 common, 2 frequent.
        negative: int64 `(P, 2)`, index of an image and of a category that is absent from it.
        not_exhaustive: int64 `(P, 2)`, the same of a category whose instances in the image are not
            all marked.
    """

    frequencies: np.ndarray
    negative: np.ndarray
    not_exhaustive: np.ndarray


def read_federation(tables: Tables, file: CocoFile, problems: list[str]) -> Federation:
    """Read and check what an LVIS file says of its images and categories.

    Args:
        tables: The lists of the file.
        file: What `judge` made of them.
        problems: Takes a line for everything that is wrong, with the id and the key.
    """
    return Federation(
        _frequencies(tables.categories or (), file, problems),
        _pairs(tables.images, "neg_category_ids", file, problems),
        _pairs(tables.images, "not_exhaustive_category_ids", file, problems),
    )


def _frequencies(records: Sequence[Any], file: CocoFile, problems: list[str]) -> np.ndarray:
    letters = [*FREQUENCIES]
    found = np.zeros(len(file.categories.ids), dtype=np.int8)
    for record, place in _placed(records, file.categories.ids):
        letter = record.get("frequency")
        if letter in letters:
            found[place] = letters.index(letter)
        else:
            problems.append(
                f"category {file.categories.ids[place]}: 'frequency' is {shown(letter)}, expected "
                "'r', 'c' or 'f' (rare, common, frequent)"
            )
    return found


def _pairs(records: Sequence[Any], key: str, file: CocoFile, problems: list[str]) -> np.ndarray:
    """Index of the image and of the category of each id in the lists under a key."""
    owners: list[int] = []
    lists: list[Sequence[Any]] = []
    for record, place in _placed(records, file.images.ids):
        listed = record.get(key)
        if not isinstance(listed, list | tuple):
            problems.append(
                f"image {file.images.ids[place]}: '{key}' is {shown(listed)}, expected a list of "
                "ids of categories, [] for none"
            )
            continue
        owners.append(place)
        lists.append(listed)
    values = list(chain.from_iterable(lists))
    lengths = np.array([len(one) for one in lists], dtype=np.int64)
    images = np.repeat(np.array(owners, dtype=np.int64), lengths)
    numbers, refused = column(values, identity)
    known = ~refused & np.isin(numbers, file.categories.ids)
    for row in np.flatnonzero(~known).tolist():
        problems.append(
            f"image {file.images.ids[images[row]]}: '{key}' has {shown(values[row])}, which is not "
            "listed in 'categories'"
        )
    labels = np.searchsorted(file.categories.ids, numbers[known])
    return np.unique(np.stack([images[known], labels], axis=1), axis=0)


def _placed(records: Sequence[Any], ids: np.ndarray) -> list[tuple[Any, int]]:
    """The entries whose ids are among ascending ones, each with the index of its id."""
    places = {number: place for place, number in enumerate(ids.tolist())}
    found = []
    for record in records:
        number = identity(record["id"]) if isinstance(record, dict) and "id" in record else None
        if number is not None and number in places:
            found.append((record, places[number]))
    return found
