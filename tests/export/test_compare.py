import math

import torch

from vision.export.compare import compare_assigned, compare_objects, compare_outputs


def test_values_are_compared_relative_to_the_largest() -> None:
    source = {"x": torch.tensor([1.0, -10.0])}
    (one,) = compare_outputs({"x": torch.tensor([1.5, -10.0])}, source, tolerance=0.1)
    assert (one.absolute, one.relative, one.passed) == (0.5, 0.05, True)
    for broken in (torch.tensor([3.0, -10.0]), torch.tensor([math.nan, -10.0]), torch.zeros(3)):
        differences = compare_outputs({"x": broken}, source, tolerance=0.1)
        assert not all(one.passed for one in differences)
    assert not compare_outputs({}, source, tolerance=0.1)[0].passed


def test_of_classes_the_share_of_unequal_ones_counts() -> None:
    source, found = torch.zeros(1, 2, 2).long(), torch.tensor([[[0, 0], [0, 3]]])
    (one,) = compare_outputs({"m": found}, {"m": source}, tolerance=0.2)
    assert one.absolute == 0.25
    assert not one.passed


def detections(boxes: list[list[float]], scores: list[float], labels: list[int]) -> dict:
    places = 4 - len(boxes)
    return {
        "boxes": torch.tensor([boxes + [[0.0] * 4] * places]),
        "scores": torch.tensor([scores + [0.0] * places]),
        "labels": torch.tensor([labels + [0] * places]),
        "count": torch.tensor([len(boxes)]),
    }


def test_detections_are_paired_in_any_order() -> None:
    a, b = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 60.0]
    source = detections([a, b], [0.8, 0.8], [1, 2])
    swapped = detections([b, a], [0.8, 0.8], [2, 1])
    assert all(one.passed for one in compare_objects(swapped, source, tolerance=1e-4))
    for broken in (
        detections([a], [0.8], [1]),
        detections([a, b], [0.8, 0.8], [1, 1]),
        detections([a, b], [0.8, 0.7], [1, 2]),
        detections([a, [20.0, 22.0, 40.0, 60.0]], [0.8, 0.8], [1, 2]),
        detections([a, a, b], [0.8, 0.8, 0.8], [1, 1, 2]),
    ):
        differences = compare_objects(broken, source, tolerance=1e-4)
        assert not all(one.passed for one in differences)


def test_no_detections_agree_with_none() -> None:
    none = detections([], [], [])
    assert all(one.passed for one in compare_objects(none, none, tolerance=1e-4))


def test_where_cells_are_assigned_the_mean_difference_counts() -> None:
    source = {"shares": torch.ones(1, 2, 50, 50), "queries": torch.zeros(1, 2, 50, 50).int()}
    found = {name: value.clone() for name, value in source.items()}
    found["shares"][0, 0, 0, 0], found["queries"][0, 0, 0, :40] = 0.0, 1
    shares, queries = compare_assigned(found, source, tolerance=1e-4)
    assert (shares.output, shares.absolute, shares.passed) == ("shares (mean)", 1 / 5000, True)
    assert (queries.relative, queries.passed) == (40 / 5000, True)
    found["shares"] *= 0.99
    found["queries"][0, 0, 1, :20] = 1
    assert not any(one.passed for one in compare_assigned(found, source, tolerance=1e-4))
    found["shares"][0, 0, 0, 0] = math.nan
    assert not compare_assigned(found, source, tolerance=1e-4)[0].passed
