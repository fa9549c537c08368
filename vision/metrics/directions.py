"""Whether higher or lower values of a metric are better, by its name."""

from typing import Literal

Direction = Literal["higher", "lower"]
# Parts of the names of losses and errors: of calibration, of depth, of normals and of volumes.
LOWER = (
    *("loss", "ece", "mce", "abs_rel", "sq_rel", "rmse", "log10", "silog", "angle"),
    *("hd95", "asd", "volumeerror"),
)
# Whole names: angles of `vision.metrics.normals`.
LOWER_NAMES = ("mean", "median")


def direction(name: str) -> Direction:
    """Whether `"higher"` or `"lower"` values of a metric are better.

    Args:
        name: Its name, such as `"val/loss"` or `"abs_rel"`.
    """
    plain = name.lower()
    is_error = any(word in plain for word in LOWER) or plain.rpartition("/")[2] in LOWER_NAMES
    return "lower" if is_error else "higher"
