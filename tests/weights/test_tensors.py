"""What a model can be filled with."""

import math

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import WeightsError
from vision.weights.tensors import check_finite, check_tensors


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64]
)
def test_finite_numbers_of_any_type(dtype: torch.dtype) -> None:
    state = {"a": torch.tensor([1.0, -2.0]).to(dtype), "b": torch.empty(0), "c": torch.tensor(True)}
    assert check_tensors(state, "it") == state
    check_finite(state, "it")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("place", [0, 3, 4])
def test_other_values_are_counted(value: float, dtype: torch.dtype, place: int) -> None:
    state = {"a": torch.zeros(4), "b": torch.ones(5, dtype=dtype), "running_var": torch.ones(2)}
    state["b"][place] = value
    with refuses(WeightsError, "'b'", "1", "5 values", "3 tensors"):
        check_finite(state, "it")


def test_buffers_count_too() -> None:
    with refuses(WeightsError, "'bn.running_var'", "2"):
        check_finite({"bn.running_var": torch.full((2,), math.nan)}, "it")


def test_views_of_a_file_are_no_repetition() -> None:
    whole = torch.arange(12.0)
    check_tensors({"a": whole[2:8].view(2, 3), "b": whole.view(3, 4).t(), "c": whole[::2]}, "it")
    with refuses(WeightsError, "'a'", "(2, 12)"):
        check_tensors({"a": whole.expand(2, 12)}, "it")
