"""Which way metrics are better."""

import pytest

from vision.kinds import KINDS
from vision.metrics.depth import ERRORS
from vision.metrics.directions import direction
from vision.task_parts import find_part


def test_errors_are_better_lower_and_shares_higher() -> None:
    lower = {name for name in ERRORS if direction(f"val/{name}") == "lower"}
    assert lower == {"abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog"}
    angles = ("mean", "median", "rmse", "below_11.25", "below_30")
    assert [direction(f"test/{name}") for name in angles] == ["lower"] * 3 + ["higher"] * 2
    assert direction("val/loss") == direction("ece") == "lower"
    volumes = ("HD95_TC", "ASD", "VolumeError", "Dice_TC")
    assert [direction(f"val/{name}") for name in volumes] == ["lower"] * 3 + ["higher"]
    assert direction("val/mIoU") == direction("mean_iou") == "higher"


@pytest.mark.parametrize("kind", KINDS)
def test_the_monitored_metric_of_a_task_is_named_by_its_direction(kind: str) -> None:
    name, mode = find_part(kind, "task").monitor
    assert direction(name) == {"max": "higher", "min": "lower"}[mode]
