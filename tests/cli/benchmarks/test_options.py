"""What the commands of `vision benchmark` make of their options, and the file of their results."""

import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from vision.benchmarks.computing import DTYPES, Computing
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.results import Row, Table, read_tables
from vision.cli.benchmarks.command import build_parser, measure

# Module of the command, the function that measures, and the least that is typed.
MODELS = {
    "backbones": ("models", "measure_backbones", []),
    "detection": ("models", "detection.measure_detection", []),
    "detection --detectors": ("models", "measure_detectors", ["fcos", "dino"]),
    "segmentation": ("models", "measure_segmentation", []),
    "growth": ("growth", "measure_growth", []),
    "volumes": ("scenes", "measure_volumes", []),
    "points": ("scenes", "measure_points", []),
    "pillars": ("scenes", "measure_pillars", []),
    "depth": ("heads", "measure_depth_heads", []),
    "detection3d": ("heads", "measure_detection3d", []),
    "panoptic": ("heads", "measure_panoptic", []),
    "latency": ("engines", "measure_latency", ["convnext_tiny"]),
    "eval": ("evaluation", "measure_evaluation", []),
}
COMMON = ["--rounds", "2", "--warmup", "3", "--threads", "1", "--device", "cpu"]


def run(name: str, words: list[str], patch: pytest.MonkeyPatch) -> Any:
    """The settings that a command gives to what measures, which is not run."""
    module, function, needed = MODELS[name]
    *inner, function = function.split(".")
    found: list[Any] = []

    def keep(*settings: Any) -> Table:
        found.extend(settings)
        measured = Measurement("nothing")
        measured.add(Row("a count", "calls", 1.0))
        return measured.table()

    owner = importlib.import_module(f"vision.cli.benchmarks.{module}")
    patch.setattr(getattr(owner, inner[0]) if inner else owner, function, keep)
    typed = [*name.split(), *needed, *words]
    assert measure(build_parser().parse_args(typed), typed) == 0
    return found[0]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "eval"])
def test_commands_of_models_share_their_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = run(name, COMMON, monkeypatch)
    assert isinstance(settings, Computing)
    assert (settings.rounds, settings.warmup, settings.threads) == (2, 3, 1)
    assert (settings.place, settings.dtype) == (torch.device("cpu"), "float32")
    default = run(name, [], monkeypatch)
    assert default.threads == torch.get_num_threads()
    if name == "latency":  # Its percentiles are of many calls.
        assert (default.rounds, default.warmup) == (50, 5)
        return
    assert (default.rounds, default.warmup) == (7, 1)
    for dtype in DTYPES:
        assert run(name, ["--dtype", dtype], monkeypatch).dtype == dtype


@pytest.mark.parametrize(
    ("words", "field", "expected"),
    [
        (["detection"], "against", "all"),
        (["detection", "--against", "torchvision"], "against", "torchvision"),
        (["segmentation", "--against", "mmsegmentation"], "against", "mmsegmentation"),
        (["eval", "--kinds", "segm"], "kinds", ["segm"]),
        (["depth", "--sizes", "65", "97"], "sizes", [(65, 65), (97, 97)]),
        (["detection3d", "--image", "64", "96"], "sizes", [(64, 96)]),
    ],
)
def test_what_is_asked_for(
    words: list[str], field: str, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = run(words[0], words[1:], monkeypatch)
    assert field in {one.name for one in fields(settings)}
    assert getattr(settings, field) == expected


@pytest.mark.parametrize("form", [["--json", "{}"], ["--json={}"]])
def test_results_are_written_with_their_command_but_not_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    file = tmp_path / "latency.json"
    words = [word.format(file) for word in form]
    run("latency", [*words, "--max-batch", "1"], monkeypatch)
    (table,) = read_tables(file)
    assert table.command == "vision benchmark latency convnext_tiny --max-batch 1"
    assert table.rows[0].ours == 1
