"""A check of a dataset's classes before the first step."""

from collections.abc import Sequence

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
