import pytest
import torch

from vision.errors import WeightsError
from vision.weights.names.rename import drop, rename

STATE = {"blocks.0.w": torch.zeros(1), "blocks.12.w": torch.ones(1), "mask": torch.zeros(2)}


def test_rules_apply_in_order_to_every_key() -> None:
    renamed = rename(
        STATE, [(r"^blocks\.(\d+)\.", r"stages.0.\1."), (r"stages\.0", "s"), ("w$", "v")]
    )
    assert list(renamed) == ["s.0.v", "s.12.v", "mask"]
    assert renamed["s.12.v"] is STATE["blocks.12.w"]


def test_no_rules_change_nothing() -> None:
    assert rename(STATE, []) == STATE


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"'b\.w' twice, the second time as 'blocks\.12\.w'"):
        rename(STATE, [(r"^blocks\.\d+", "b")])


def test_drop_leaves_out_what_matches() -> None:
    assert list(drop(STATE, r"mask$|\.12\.")) == ["blocks.0.w"]
