"""What an int8 model is calibrated on, and what is shown of it;
tests/cli/commands runs it whole."""

from types import SimpleNamespace
from typing import Any

import torch
from helpers.refusals import refuses

from vision.data.datasets.digits import Digits
from vision.errors import ConfigError
from vision.export.canvas import usual_canvas
from vision.export.int8 import calibration_parts, find_canvas, int8_table, measure_times


def test_calibration_images_are_spread_over_the_training_set() -> None:
    data = Digits(num_workers=0)
    found = [*calibration_parts(data, "train", 3)]
    data.setup("fit")
    dataset = data.train_dataset
    dataset.augment = False
    places = [0, (len(dataset) - 1) // 2, len(dataset) - 1]
    for part, place in zip(found, places, strict=True):
        assert torch.equal(part["image"][0], dataset[place]["image"])


def canvas(fixed: dict[str, str], one_size: bool, given: tuple[int, int] | None) -> Any:
    graph = SimpleNamespace(fixed=fixed, one_size=one_size, usual_size=usual_canvas)
    model = SimpleNamespace(kind="detection", preprocessing={"long_side": 100})
    return find_canvas(graph, model, given)


def test_only_a_model_of_one_size_for_many_images_has_a_canvas() -> None:
    assert canvas({}, False, None) is None
    assert canvas({"size": "attention"}, True, None) is None
    assert canvas({"size": "anchors"}, False, (64, 96)) == (64, 96)
    height, width = canvas({"size": "anchors"}, False, None)
    assert height == width >= 100
    with refuses(ConfigError, "--canvas", "detection"):
        canvas({}, False, (64, 96))


def test_every_model_is_timed() -> None:
    calls: list[str] = []
    runs = {name: lambda images, name=name: calls.append(name) for name in ("float", "int8")}
    times = measure_times(runs, [torch.zeros(1)], rounds=3)
    assert calls == ["float", "int8"] * 5  # two to warm up
    assert all(times[name] >= 0 for name in runs)


def test_the_table_compares_both_models() -> None:
    facts = {
        "accuracy": {
            **{"metric": "top1", "better": "higher", "unit": ""},
            **{"float": 0.9, "int8": 0.875, "images": 1000, "of": "images"},
        },
        "float_bytes": 4_000_000,
        "bytes": 1_000_000,
        "milliseconds": {"float": 6.0, "int8": 3.0},
        "nodes": {"int8": 7, "candidates": 8},
        "calibration": {"images": 20, "of": "images", "from": "train", "calibration": "minmax"},
    }
    lines = int8_table(facts).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["float", "int8"],
        ["top1", "0.9000", "0.8750", "difference", "-0.0250", "on", "1,000", "images"],
    ]
    assert lines[2].endswith("4.00x smaller")
    assert lines[3].endswith("2.00x as fast")
    assert lines[4] == "7 of 8 nodes in int8, calibrated on 20 train images (minmax)"
    error = {"metric": "rmse", "better": "lower", "unit": "m"}
    lines = int8_table({**facts, "accuracy": {**facts["accuracy"], **error}}).splitlines()
    assert lines[1].startswith("rmse, m  ")
    assert "difference -0.0250 (lower is better) on" in lines[1]
