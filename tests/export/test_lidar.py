"""Exported detectors of sweeps: any number of points, and what a program leaves to others."""

import json
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_lidar import GRID, lidar_batch, sure_lidar

import vision
from vision.errors import ConfigError
from vision.export.lidar import OWN_SIZE, LidarGraph
from vision.export.run import ExportOptions, export
from vision.export.source import Source
from vision.export.whole import whole_model
from vision.task_parts import find_part
from vision.tasks.detection3d import Detection3D


@pytest.fixture(scope="module")
def task() -> Detection3D:
    return sure_lidar(head_options={"max_candidates": 20})


def test_a_program_accepts_other_numbers_of_points(task: Detection3D, tmp_path: Path) -> None:
    graph, file = whole_model(task), tmp_path / "lidar.pt2"
    assert isinstance(graph, LidarGraph)
    made = export(
        graph, task, {**task.describe()}, file, ExportOptions("torch-export", size=(300,))
    )
    assert made.passed, made.table()
    assert made.dynamic == ("size",)
    assert {case.size for case in made.cases} == {(300,), (376,)}
    facts = json.loads(Path(f"{file}.json").read_text())
    assert facts["inputs"][0]["shape"] == [1, 4, "points"]
    assert str(GRID["point_range"][0]) in json.dumps(facts["inputs"])
    assert "seen from above" in " ".join(facts["how"])


@torch.no_grad()
def test_candidates_are_those_of_the_task(task: Detection3D) -> None:
    """Of every sweep of a batch, if they have equally many points."""
    points = lidar_batch(counts=(300, 380))["points"]
    sweeps = points.unflatten(0, (2, -1)).transpose(1, 2)
    boxes, scores, labels, valid = LidarGraph(task)(sweeps)
    counts = torch.tensor([sweeps.shape[2]] * 2)
    outputs = task.scene.outputs(points, counts)  # type: ignore[attr-defined]
    expected = task.head.decode(outputs)
    torch.testing.assert_close(boxes, expected["boxes3d"])
    torch.testing.assert_close(scores, expected["scores"])
    assert torch.equal(labels, expected["labels"])
    assert valid.all()


def test_tensors_are_written_and_read_again(task: Detection3D, tmp_path: Path) -> None:
    file = tmp_path / "lidar.safetensors"
    options = ExportOptions("safetensors", size=(300,))
    assert export(LidarGraph(task), task, {**task.describe()}, file, options).passed
    batch = lidar_batch()
    with torch.no_grad():
        again = vision.load(file).task(batch["points"], batch["counts"])
        expected = task(batch["points"], batch["counts"])
    assert torch.equal(again[0]["boxes3d_lidar"], expected[0]["boxes3d_lidar"])


def test_what_cannot_be_is_refused_with_the_reason(task: Detection3D, tmp_path: Path) -> None:
    graph = LidarGraph(task)
    assert Source(graph, task, {}).default_size() == (OWN_SIZE,)
    with refuses(ConfigError, "onnx", "where the points lie", "torch-export"):
        export(graph, task, {}, tmp_path / "a", ExportOptions("onnx", size=(300,)))
    with refuses(ConfigError, "input_dtype='uint8'", "float32"):
        LidarGraph(task, input_dtype="uint8")
    with refuses(ConfigError, "logits"):
        LidarGraph(task, logits=True)
    with refuses(ConfigError, "int8", "of points", "vision export"):
        find_part(task, "int8_score")
