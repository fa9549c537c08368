"""What an exported model of points gives, and why programs cannot hold it."""

import json
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_point_task import NORMALS, evaluation_batch, tiny_points

import vision
from vision.errors import ConfigError
from vision.export.int8 import Int8Options, make_int8
from vision.export.points import OWN_SIZE, CloudInput, PointsGraph
from vision.export.run import ExportOptions, export
from vision.export.source import Source
from vision.predict.model import Model
from vision.tasks.points import PointSegmentation


@pytest.fixture(scope="module")
def task() -> PointSegmentation:
    return tiny_points().eval()


def test_tensors_are_written_compared_and_read_again(
    task: PointSegmentation, tmp_path: Path
) -> None:
    graph, file = PointsGraph(task), tmp_path / "points.safetensors"
    options = ExportOptions("safetensors", size=(40,))
    made = export(graph, task, {**task.describe()}, file, options)
    assert made.passed, made.table()
    assert "compared on random clouds" in made.table()
    facts = json.loads(Path(f"{file}.json").read_text())
    assert facts["inputs"][0]["shape"] == ["batch", 6, "voxels"]
    assert facts["outputs"][0]["name"] == "probabilities"
    assert "class with the largest value" in " ".join(facts["how"])
    loaded = vision.load(file)
    assert loaded.kind == "points"
    batch = evaluation_batch()
    given = batch["coords"], batch["colors"], batch["counts"]
    with torch.no_grad():
        assert torch.equal(loaded.task(*given), task(*given))


@torch.no_grad()
def test_outputs_are_those_of_the_task(task: PointSegmentation) -> None:
    given = CloudInput(torch.float32, 6).examples(2, (30,), None)["random"]
    assert given.shape == (2, 6, 30)
    (logits,) = PointsGraph(task, logits=True)(given)
    rows = given.transpose(1, 2).reshape(60, 6)
    expected = task(rows[:, :3], rows[:, 3:], torch.tensor([30, 30]))
    torch.testing.assert_close(logits.transpose(1, 2).reshape(60, 3), expected)
    torch.testing.assert_close(PointsGraph(task)(given)[0], logits.softmax(dim=1))


@pytest.mark.parametrize("channels", [6, 9])
def test_examples_have_one_point_in_a_voxel(channels: int) -> None:
    clouds = CloudInput(torch.float32, channels).examples(2, (200,), None)["random"]
    assert clouds.shape == (2, channels, 200)
    for cloud in clouds:
        assert len(cloud[:3].floor().T.unique(dim=0)) == 200
        if channels == 9:
            torch.testing.assert_close(cloud[6:].norm(dim=0), torch.ones(200))


def test_a_model_of_normals_takes_nine_numbers() -> None:
    graph = PointsGraph(tiny_points(backbone_options=NORMALS))
    assert graph.first.channels == 9
    with torch.no_grad():
        assert graph(graph.first.examples(1, (30,), None)["random"])[0].shape == (1, 3, 30)


def test_what_cannot_be_is_refused_with_the_reason(task: PointSegmentation, tmp_path: Path) -> None:
    graph = PointsGraph(task)
    assert Source(graph, task, {}).default_size() == (OWN_SIZE,)
    for form in ("onnx", "torch-export"):
        with refuses(ConfigError, form, "points model", "where the points lie", "safetensors"):
            export(graph, task, {}, tmp_path / "a", ExportOptions(form, size=(8,)))  # type: ignore[arg-type]
    with refuses(ConfigError, "onnx", "points model"):
        make_int8(
            Model(task, task.describe()), None, tmp_path / "a", lambda *_: None, Int8Options()
        )  # type: ignore[arg-type, return-value]
    with refuses(ConfigError, "float32", "--input-dtype"):
        PointsGraph(task, input_dtype="uint8")
    with refuses(ConfigError, "--size VOXELS"):
        export(graph, task, {}, tmp_path / "a", ExportOptions("safetensors", size=(8, 8)))
    with refuses(ConfigError, "--inputs room.ply out"):
        graph.first.examples(1, (8,), "room.ply")
