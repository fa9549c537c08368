"""What the classes of a dataset have to be before the first step."""

from collections.abc import Sequence

# For a detector one class is enough: it differs from the background.
TOLD_APART = ("classification", "segmentation")


def class_problem(kind: str | None, class_names: Sequence[str]) -> str | None:
    """Why there is nothing to learn from a dataset with these classes; None if there is something.

    Args:
        kind: What kind of task the dataset is for.
        class_names: Name of each class.
    """
    if kind not in TOLD_APART or len(class_names) != 1:
        return None
    return (
        f"there is one class alone, {class_names[0]!r}: there is nothing to tell apart, and "
        "nothing to learn. Add a folder, or a value of the masks, for what is not of that class."
    )
