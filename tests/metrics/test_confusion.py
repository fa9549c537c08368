from collections import Counter

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.segmentation import IGNORED
from vision.errors import DataError
from vision.metrics import confusion
from vision.metrics.confusion import as_labels, check_classes, count_pairs, sum_over_processes


def checked(predicted: object, target: object, num_classes: int, dtype: torch.dtype) -> None:
    maps = [torch.tensor(values, dtype=dtype).reshape(1, -1) for values in (predicted, target)]
    predicted, target = as_labels(*maps, "a.png")
    check_classes(count_pairs(target, predicted), num_classes, "a.png")


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=50))
def test_pairs_are_counted(pairs: list[tuple[int, int]]) -> None:
    rows, columns = torch.tensor(pairs, dtype=torch.uint8).reshape(-1, 2).T
    counts = count_pairs(rows, columns)
    assert counts.dtype == torch.int64
    assert counts.sum() == len(pairs)
    assert all(counts[pair] == count for pair, count in Counter(pairs).items())


def test_strips_count_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.randint(0, 256, (2, 40, 33), dtype=torch.uint8)
    whole = count_pairs(*maps)
    monkeypatch.setattr(confusion, "_STRIP", 100)
    assert torch.equal(count_pairs(*maps), whole)


def test_counts_are_exact_beyond_float32() -> None:
    pixels = (1 << 24) + 3
    labels = torch.full((pixels,), 7, dtype=torch.uint8)
    assert count_pairs(labels, labels)[7, 7] == pixels


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("wrong", [5, 254, 255])
def test_a_prediction_that_is_no_class_is_named(wrong: int, dtype: torch.dtype) -> None:
    named = f"the value {wrong} in 2 pixels" if wrong < 255 else r"no class \(255\) in 2 pixels"
    with pytest.raises(DataError, match=rf"a\.png: the prediction has {named}.*0 to 4 in every"):
        checked([0, wrong, 1, wrong], [0, 4, 4, 1], 5, dtype)
    checked([0, wrong, 1, wrong], [0, IGNORED, 4, IGNORED], 5, dtype)


@pytest.mark.parametrize("wrong", [-1, -(1 << 40), 256, 511, 1 << 40])
def test_values_beyond_a_byte_are_named(wrong: int) -> None:
    with pytest.raises(DataError, match=f"the prediction has the value {wrong} in 1 pixel that"):
        checked([0, wrong, 1], [0, 4, 4], 5, torch.int64)
    checked([0, wrong, 1], [0, IGNORED, 4], 5, torch.int64)
    with pytest.raises(DataError, match=f"the target has the value {wrong} in 1 pixel that"):
        checked([0, 2, 1], [0, 4, wrong], 5, torch.int64)


@pytest.mark.parametrize("wrong", [5, 254])
def test_a_target_that_is_no_class_is_named(wrong: int) -> None:
    with pytest.raises(DataError, match=rf"target has the value {wrong} in 1 pixel .* or 255"):
        checked([0, 2, 1], [0, wrong, IGNORED], 5, torch.uint8)


def test_most_classes_leave_no_room_for_wrong_ones() -> None:
    checked(np.arange(255).tolist(), np.arange(255)[::-1].tolist(), 255, torch.uint8)


def test_maps_that_do_not_fit_are_refused() -> None:
    labels = torch.zeros(4, 6, dtype=torch.int64)
    with refuses(DataError, "(4, 6)", "(6, 4)"):
        as_labels(labels, labels.T, "x")
    with refuses(DataError, "height", "width"):
        as_labels(labels[None], labels[None])
    with refuses(DataError, "torch.float32", "argmax"):
        as_labels(labels.float(), labels)


def test_alone_a_process_has_the_sum() -> None:
    counts = torch.tensor([1 << 60, 3])
    assert torch.equal(sum_over_processes(counts), counts)
