"""Checks of a dataset's classes before the first step."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from vision.errors import DataError
from vision.kinds import KINDS


def class_problem(kind: str | None, class_names: Sequence[str]) -> str | None:
    """The error for a dataset with too few classes to train on; None if there are enough.

    Args:
        kind: Kind of task that the dataset is for.
        class_names: Name of each class.
    """
    # For a detector one class is enough: it differs from the background.
    if kind not in KINDS or len(class_names) != 1 or KINDS[kind].min_classes < 2:
        return None
    return (
        f"there is only one class, {class_names[0]!r}: there is nothing to tell apart, and "
        "nothing to learn. Add a folder, or a value of the masks, for what is not in that class."
    )


def numbered_classes(category_ids: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """The classes of a set in words, with the set's own numbers."""
    return [f"{number} {name!r}" for number, name in zip(category_ids, class_names, strict=True)]


def require_same_classes(own: list[str], wanted: list[str], *, names: tuple[str, str]) -> None:
    """Raise an error unless two sets have the same classes in the same order.

    Args:
        own: The classes of a set, as `numbered_classes` gives them.
        wanted: Those of the set that names the classes.
        names: Names of the two sets.

    Raises:
        DataError: They differ.
    """
    if own == wanted:
        return
    first = next(pair for pair in zip_longest(own, wanted, fillvalue="none") if len({*pair}) > 1)
    raise DataError(
        f"the classes of '{names[0]}' differ from '{names[1]}': {len(own)} instead of "
        f"{len(wanted)}, the first other one (id and name) is {first[0]} instead of {first[1]}. "
        "Give both files the same 'categories'."
    )
