"""What an exported detector of boxes in space gives, and how its average precision is measured."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.boxes3d_evaluation import moved, street
from helpers.refusals import refuses
from helpers.tiny_detection3d import NAMES, SIZE, tiny_detection3d
from helpers.tiny_monocular import CAMERA, ORIGINAL
from torch import Tensor

from vision.errors import ConfigError, DataError
from vision.export.accuracy import measure_accuracy
from vision.export.detection3d import Detection3DGraph
from vision.export.detection3d_score import average_precision
from vision.export.run import ExportOptions, export
from vision.tasks.detection3d import Detection3D


@pytest.fixture(scope="module")
def task() -> Detection3D:
    return tiny_detection3d(head_options={"score_threshold": 0.0}).eval()


def images(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, *SIZE), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_filled_places_are_the_predictions_of_the_task(task: Detection3D) -> None:
    cameras, sizes = CAMERA.expand(2, -1, -1), torch.tensor([ORIGINAL] * 2)
    graph = Detection3DGraph(task)
    found = graph.named(graph(images(), cameras, sizes))
    expected = task(images(), cameras, original_sizes=sizes)
    assert found["count"].tolist() == [4, 4]
    for i, one in enumerate(expected):
        order = found["scores"][i].argsort(descending=True, stable=True)
        for name, values in one.items():
            torch.testing.assert_close(found[name][i, order], values, msg=name)
    # The camera is an input: another focal length moves the boxes.
    other = graph.named(graph(images(), cameras * torch.tensor([[2.0], [2], [1]]), sizes))
    assert not torch.allclose(other["boxes3d"], found["boxes3d"])


def test_a_file_agrees_at_other_sizes_and_with_other_cameras(
    task: Detection3D, tmp_path: Path
) -> None:
    graph = Detection3DGraph(task)
    options = ExportOptions(format="onnx", size=(64, 96))
    made = export(graph, task, dict(task.describe()), tmp_path / "a.onnx", options)
    assert made.passed, made.table()
    assert made.dynamic == ("batch", "size")
    assert {case.batch for case in made.cases} == {1, 2, 3}
    # Values were compared, not only counts.
    compared = {one.output: one for one in made.cases[0].differences}
    assert {"boxes3d", "yaw", "alpha", "scores", "count (share unequal)"} <= compared.keys()
    inputs = json.loads(made.sidecar.read_text())["inputs"]
    assert [(one["name"], one["dtype"], one["shape"]) for one in inputs] == [
        ("images", "uint8", ["batch", 3, "height", "width"]),
        ("cameras", "float32", ["batch", 3, 4]),
        ("sizes", "int64", ["batch", 2]),
    ]


def test_a_file_for_engines_without_grid_sampling(task: Detection3D, tmp_path: Path) -> None:
    import onnx

    graph, path = Detection3DGraph(task), tmp_path / "a.onnx"
    options = ExportOptions(format="onnx", size=(64, 96), dynamic=(), sampling="gather")
    made = export(graph, task, dict(task.describe()), path, options)
    assert made.passed, made.table()
    assert "GridSample" not in {node.op_type for node in onnx.load(path).graph.node}


def test_a_difference_is_seen_in_places_that_do_not_count(task: Detection3D) -> None:
    graph = Detection3DGraph(task)
    with torch.no_grad():
        source = graph.named(graph(*graph.arguments(images())))
    source["count"] = torch.tensor([1, 2])
    turned = {**source, "alpha": source["alpha"] + 2 * torch.pi}
    assert all(one.passed for one in graph.compare(turned, source, tolerance=1e-4))
    for name, change in (("boxes3d", 0.1), ("alpha", 0.1), ("count", 1)):
        values = source[name].clone()
        values.view(len(values), -1)[1, -1] += change
        wrong = graph.compare({**source, name: values}, source, tolerance=1e-4)
        assert not all(one.passed for one in wrong), name
    lacking = {name: values for name, values in source.items() if name != "boxes3d"}
    assert not all(one.passed for one in graph.compare(lacking, source, tolerance=1e-4))


def test_a_detector_has_no_logits(task: Detection3D) -> None:
    with refuses(ConfigError, "a detector", "not logits", "leave logits out"):
        Detection3DGraph(task, logits=True)


def outputs_of(place: int, by: float) -> dict[str, Tensor]:
    """A moved street as the outputs of a program, with a place that does not count."""
    found = moved(street(place), by, 7)
    rows = {name: torch.cat([values, values[:1]])[None] for name, values in found.items()}
    return {**rows, "class_scores": rows["scores"], "count": torch.tensor([len(found["labels"])])}


def test_the_score_is_the_average_precision_of_the_task(task: Detection3D) -> None:
    data = SimpleNamespace(trained=("Car",), class_names=NAMES)
    batches = [
        {
            "image": torch.full((1, 3, 4, 4), place, dtype=torch.uint8),
            "truth": [street(place)],
            "camera": CAMERA[None],
            "camera_size": torch.tensor([ORIGINAL]),
        }
        for place in range(5)
    ]
    graph = Detection3DGraph(task)
    seen = []

    def run(by: float, images: Tensor, cameras: Tensor, sizes: Tensor) -> dict[str, Tensor]:
        seen.append((cameras, sizes))
        return outputs_of(int(images[0, 0, 0, 0]), by)

    runs = {
        "exact": lambda *inputs: run(0.0, *inputs),
        "moved": lambda *inputs: run(0.3, *inputs),
    }
    accuracy, count = measure_accuracy(
        runs,
        batches,
        score=lambda: average_precision(task, data),
        arguments=graph.arguments,
    )
    assert count == 5
    # Of 8 cars, half of them partly hidden; the first one found stands for recall 0.
    assert accuracy["exact"] > 0.15
    assert accuracy["moved"] == 0
    assert torch.equal(seen[0][0], CAMERA[None])
    assert seen[0][1].tolist() == [[*ORIGINAL]]
    empty = average_precision(task, SimpleNamespace(trained=("Cyclist",), class_names=NAMES))
    with refuses(DataError, "moderate difficulty"):
        empty.value()
