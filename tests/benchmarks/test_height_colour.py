"""The baseline of heights and colours: no rule by bins is better, and its IoU is true."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.benchmarks.height_colour import (
    WAYS,
    bins_of,
    count_bins,
    fit_rule,
    measure_height_colour,
    measure_rule,
    number_of_bins,
)
from vision.contracts.points import IGNORED
from vision.errors import DataError


def room(seed: int) -> dict[str, Any]:
    """Class 0 is low, class 1 high and red, class 2 high and blue; some points are ignored."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, 400, p=[0.5, 0.2, 0.3])
    points = rng.uniform(0, 1, (400, 3))
    points[:, 2] += 1.2 * (label > 0)
    colors = np.array([[128, 128, 128], [200, 0, 0], [0, 0, 200]])[label]
    colors = np.where(rng.random((400, 1)) < 0.2, 128, colors)
    label[rng.random(400) < 0.1] = IGNORED
    return {
        "points": torch.from_numpy(points),
        "colors": torch.from_numpy(colors.astype(np.uint8)),
        "label": torch.from_numpy(label),
    }


class Rooms(list[int]):
    def example(self, place: int) -> dict[str, Any]:
        return room(self[place])


class Data:
    kind = "points"
    class_names = ("low", "red", "blue")
    eval_transform = None

    def index(self, split: str) -> Rooms:
        return Rooms([0, 1, 2] if split == "train" else [3, 4])

    def make_samples(self, index: Rooms, transform: None) -> Rooms:
        return index


def test_bins_are_numbered_through() -> None:
    rng = np.random.default_rng(0)
    points, colors = rng.uniform(0, 5, (500, 3)), rng.integers(0, 256, (500, 3))
    for way in WAYS:
        found = bins_of(points, colors.astype(np.uint8), way)
        assert 0 <= found.min() <= found.max() < number_of_bins(way)
    high = np.floor((points[:, 2] - points[:, 2].min()) / 0.1).clip(max=39).astype(int)
    shade = (colors // 32) @ [64, 8, 1]
    both = bins_of(points, colors.astype(np.uint8), "height and colour")
    np.testing.assert_array_equal(both, high * 512 + shade)
    assert len({*bins_of(points, None, "colour").tolist()}) == 1


@pytest.mark.parametrize("way", WAYS)
def test_no_other_classes_of_bins_are_right_more_often(way: str) -> None:
    rooms = Rooms([0, 1])
    rule = fit_rule(count_bins(rooms, way, 3), alike=False)

    def right(rule: np.ndarray) -> int:
        total = 0
        for seed in rooms:
            one = {key: value.numpy() for key, value in room(seed).items()}
            found = rule[bins_of(one["points"], one["colors"], way)]
            total += int((found == one["label"]).sum())
        return total

    best = right(rule)
    rng = np.random.default_rng(0)
    used = np.unique(bins_of(room(0)["points"].numpy(), room(0)["colors"].numpy(), way))
    for _ in range(30):
        other = rule.copy()
        other[rng.choice(used)] = rng.integers(3)
        assert right(other) <= best


def test_the_iou_is_that_of_the_labels() -> None:
    rooms, way = Rooms([3, 4]), "height and colour"
    rule = fit_rule(count_bins(Rooms([0]), way, 3), alike=True)
    scores = measure_rule(rooms, way, rule, 3)
    pairs = []
    for seed in rooms:
        one = {key: value.numpy() for key, value in room(seed).items()}
        pairs.append((rule[bins_of(one["points"], one["colors"], way)], one["label"]))
    found, truth = (np.concatenate(part) for part in zip(*pairs, strict=True))
    known = truth != IGNORED
    for label in range(3):
        a, b = found[known] == label, truth[known] == label
        assert scores.iou[label] == pytest.approx((a & b).sum() / (a | b).sum())


def test_classes_alike_find_the_rare_one() -> None:
    counts = np.array([[90, 0], [5, 5], [0, 0]])
    assert fit_rule(counts, alike=False).tolist() == [0, 1]
    assert fit_rule(np.array([[90, 10], [8, 2]]), alike=True).tolist() == [0, 1]
    assert fit_rule(np.array([[90, 0], [8, 0]]), alike=False).tolist() == [0, 0]


def test_the_command_prints_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    measure_height_colour(data=Data())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["mIoU", "low", "red", "blue"]
    assert len(lines) == 1 + 2 * len(WAYS)
    scores = [float(line.split()[-4]) for line in lines[1:]]
    assert max(scores[4:]) > max(scores[:4])
    with refuses(DataError, "has no points", "S3DIS"):
        measure_height_colour(data=SimpleNamespace(kind="depth"))
