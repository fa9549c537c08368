"""What an exported model of volumes gives for a window, and its Dice by windows that slide."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_volume_task import BACKBONE, evaluation_batch, export_volumes, tiny_volumes
from torch import Tensor

from vision.errors import ConfigError, DataError
from vision.export.accuracy import measure_accuracy
from vision.export.onnx import open_session, run_onnx
from vision.export.run import ExportOptions, export
from vision.export.source import Source, backbone_of, named_backbone
from vision.export.volumes import VolumesGraph
from vision.export.volumes_score import VolumeDice, dice
from vision.tasks.volumes import VolumeSegmentation

WINDOW = (8, 8, 16)
OVERLAP = {"window": WINDOW, "overlap": 0.5, "weighting": "gaussian"}


@pytest.fixture(scope="module")
def task() -> VolumeSegmentation:
    # The second block shifts its windows along all axes.
    options = {**BACKBONE, "depths": [2, 1], "use_v2": True, "merging": "mergingv2"}
    more = {"label_values": [0, 1, 2, 4], "inference": OVERLAP, "backbone_options": options}
    return tiny_volumes(**more).eval()


@pytest.fixture(scope="module")
def onnx_file(task: VolumeSegmentation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("volumes") / "window.onnx"
    made = export_volumes(task, path)
    assert made.passed, made.table()
    assert made.dynamic == ("batch",)
    assert {case.batch for case in made.cases} == {1, 2}
    assert "compared on random and smooth volumes: 2 x 8 x 8 x 16" in made.table()
    return path


def test_the_file_beside_says_how_windows_slide(onnx_file: Path) -> None:
    facts = json.loads(Path(f"{onnx_file}.json").read_text())
    (given,) = facts["inputs"]
    assert (given["name"], given["dtype"]) == ("volumes", "float32")
    assert given["shape"] == ["batch", 2, *WINDOW]
    assert given["modalities"] == ["flair", "t1"]
    assert facts["outputs"] == [{"name": "logits", "shape": ["batch", 3, *WINDOW]}]
    assert facts["windows"] == {
        **{"window": [*WINDOW], "overlap": 0.5, "weighting": "gaussian"},
        **{"mirror": [], "largest_component": False},
    }
    assert facts["regions"] == {"TC": [1, 3], "WT": [1, 2, 3], "ET": [3]}
    assert facts["label_values"] == [0, 1, 2, 4]
    assert "left to the caller" in " ".join(facts["how"])
    assert any("size is fixed" in note for note in facts["notes"])


def test_a_program_of_torch_takes_any_batch(tmp_path: Path) -> None:
    # Few operators, since torch.export takes long: windows that shift along one axis.
    options = {"dim": 8, "depths": [2], "num_heads": [1], "window_size": 4}
    task = tiny_volumes(backbone_options=options)
    made = export_volumes(task, tmp_path / "window.pt2", "torch-export")
    assert made.passed, made.table()
    assert made.dynamic == ("batch",)


@torch.no_grad()
def test_outputs_are_those_of_the_task(task: VolumeSegmentation) -> None:
    volumes = torch.randn(2, 2, 9, 8, 13, generator=torch.Generator().manual_seed(0))
    logits = task(volumes)
    torch.testing.assert_close(VolumesGraph(task, logits=True)(volumes)[0], logits)
    torch.testing.assert_close(VolumesGraph(task)(volumes)[0], logits.sigmoid())
    classes = tiny_volumes(regions=None).eval()
    (found,) = VolumesGraph(classes)(volumes)
    torch.testing.assert_close(found, classes(volumes).softmax(dim=1))
    assert found.shape == (2, 4, 9, 8, 13)


def test_the_size_is_the_window_of_the_task(task: VolumeSegmentation) -> None:
    assert Source(VolumesGraph(task), task, task.describe()).default_size() == WINDOW
    with refuses(ConfigError, "float32", "--input-dtype"):
        VolumesGraph(task, input_dtype="uint8")
    with refuses(ConfigError, "--size D H W"):
        export(VolumesGraph(task), task, {}, Path("a"), ExportOptions("onnx", size=(64, 64)))


def test_calibration_has_windows_of_volumes_of_any_size(task: VolumeSegmentation) -> None:
    graph = VolumesGraph(task)
    volume = torch.randn(1, 2, 12, 8, 20)
    first, middle, last = graph.parts(volume, WINDOW)
    assert torch.equal(first, volume[:, :, :8, :, :16])
    assert torch.equal(middle, volume[:, :, 2:10, :, 2:18])
    assert torch.equal(last, volume[:, :, 4:, :, 4:])
    (padded,) = graph.parts(volume[..., :7, :9], (12, 8, 12))
    assert torch.equal(padded[..., :7, 1:10], volume[..., :7, :9])
    assert padded.shape == (1, 2, 12, 8, 12)
    assert padded.count_nonzero() == volume[..., :7, :9].numel()


def test_the_score_of_a_file_is_that_of_the_task(task: VolumeSegmentation, onnx_file: Path) -> None:
    batch: Any = evaluation_batch()
    task.begin_evaluation()
    task.evaluate("val", task.run(batch), batch)
    expected = task.evaluator.compute().scalars()["Dice"]
    graph = VolumesGraph(task, logits=True)
    run = graph.on_all(partial(run_onnx, open_session(onnx_file)), WINDOW)

    def nothing(volumes: Tensor) -> dict[str, Tensor]:
        return {"logits": -torch.ones(len(volumes), 3, *volumes.shape[2:])}

    found, count = measure_accuracy(
        {"file": run, "nothing": nothing},
        [batch],
        score=partial(dice, task, None),
        arguments=graph.arguments,
        key="volume",
    )
    assert count == 2
    assert 0 < expected == pytest.approx(found["file"], abs=1e-6)
    assert found["nothing"] == 0


def test_a_score_without_regions_is_refused(task: VolumeSegmentation) -> None:
    batch: Any = evaluation_batch()
    batch["mask"] = torch.zeros_like(batch["mask"])
    score = VolumeDice(task)
    score.update({"logits": torch.ones(2, 3, *batch["volume"].shape[2:])}, batch)
    with refuses(DataError, "none of 2 volumes"):
        score.value()


def test_an_encoder_of_volumes_is_not_exported_by_itself(task: VolumeSegmentation) -> None:
    class Model:
        kind = "volumes"
        description = task.describe()

    Model.task = task  # type: ignore[attr-defined]
    part: Any = {"outputs": "features", "include_normalisation": False}
    with refuses(ConfigError, "volumes model", "--backbone out"):
        backbone_of(Model, **part)
    with refuses(ConfigError, "swin_volume_48", "volumes"):
        named_backbone("swin_volume_48", pretrained=False, weights=None, **part)
