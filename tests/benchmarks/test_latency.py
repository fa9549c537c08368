"""Percentiles against numpy, engines against each other, and what is said of those that fail."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_point_task import tiny_points
from helpers.tiny_task import tiny_task
from torch import Tensor

from vision.benchmarks import latency
from vision.errors import VisionError
from vision.export.whole import whole_model

pytest.importorskip("onnxruntime")


def settings(model: str, **more: Any) -> latency.Settings:
    options: dict[str, Any] = {
        "engines": ["eager", "onnxruntime"],
        "int8": None,
        "outputs": "embedding",
        "size": None,
        "max_batch": 1,
        "rounds": 4,
        "warmup": 1,
        "threads": None,
        "device": "cpu",
        "json": None,
    }
    return latency.Settings(model, **{**options, **more})


@pytest.mark.parametrize("count", [1, 2, 7, 100, 101])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).exponential(size=count).tolist()
    for percent in (0, 50, 90, 95, 99, 100):
        expected = np.percentile(values, percent)
        assert latency.percentile(values, percent) == pytest.approx(expected, rel=1e-12)


def test_figures_of_a_timing() -> None:
    timing = latency.Timing("eager", 8, [0.1, 0.2, 0.3, 1.0], None)
    found = timing.to_dict()
    assert found["mean_ms"] == pytest.approx(400)
    assert found["p50_ms"] == pytest.approx(250)
    assert found["p99_ms"] == pytest.approx(979)
    assert found["images_per_second"] == pytest.approx(8 / 0.25)
    assert (found["engine"], found["batch"], found["calls"]) == ("eager", 8, 4)


def test_volumes_are_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    report = latency.Report()
    report.timings.append(latency.Timing("eager", 2, [0.5], None))
    latency.show(report, "volumes")
    text = capsys.readouterr().out
    assert "volumes/s" in text.splitlines()[0]
    assert "best of eager: 4.0 volumes/s at batch 2" in text
    assert "images" not in text


def test_batches_grow_while_throughput_does() -> None:
    def timings(*per_image: float) -> list[Any]:
        return [
            latency.Timing("eager", 2**i, [2**i * seconds], None)
            for i, seconds in enumerate(per_image)
        ]

    assert latency.still_grows(timings(1.0))
    assert latency.still_grows(timings(1.0, 0.9))
    assert not latency.still_grows(timings(1.0, 0.99))
    assert not latency.still_grows(timings(1.0, 0.5, 0.6))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([torch.tensor([1.0, 2.0]), torch.tensor([3])], None),
        ([torch.tensor([1.0, 2.0001]), torch.tensor([3])], None),
        ([torch.tensor([1.0, 2.1]), torch.tensor([3])], "output 0 differs from eager by 0.05"),
        ([torch.tensor([1.0, torch.nan]), torch.tensor([3])], "differs from eager by nan"),
        ([torch.tensor([1.0, 2.0]), torch.tensor([4])], "only 0.0000 of output 1"),
        ([torch.tensor([1.0, 2.0])], "1 outputs in place of 2"),
        ([torch.tensor([[1.0, 2.0]]), torch.tensor([3])], r"is (1, 2) in place of (2,)"),
    ],
)
def test_outputs_are_compared(found: list[Tensor], message: str | None) -> None:
    expected = [torch.tensor([1.0, 2.0]), torch.tensor([3])]
    told = latency.difference(found, expected, int8=False)
    assert told == message if message is None else message in told


def test_objects_in_int8_may_come_in_another_order() -> None:
    expected = [torch.tensor([[9.0, 1.0]]), torch.tensor([2, 3])]
    other = [torch.tensor([[1.0, 9.0]]), torch.tensor([3, 2])]
    assert latency.difference(other, expected, int8=True, lists=True) is None
    assert "differs from eager" in latency.difference(other, expected, int8=True)
    assert "differs from eager" in latency.difference(other, expected, int8=False, lists=True)
    wrong = [torch.tensor([[1.0, torch.nan]]), torch.tensor([3, 2])]
    assert "is not finite" in latency.difference(wrong, expected, int8=True, lists=True)
    assert "in place of" in latency.difference(other[::-1], expected, int8=True, lists=True)


def test_engines_agree_and_a_wrong_one_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = whole_model(tiny_task().eval())
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)

    def wrong(graph: Any, *rest: object) -> Any:
        return lambda images: tuple(1.1 * found for found in graph(images))

    def broken(*rest: object) -> Any:
        raise RuntimeError("no such operator\nand much more")

    def absent(*rest: object) -> Any:
        raise latency.Skipped("there is no C++ compiler")

    for name, build in (("int8", wrong), ("compiled", broken), ("aot", absent)):
        monkeypatch.setitem(latency.ENGINES, name, build)
    # Of int8 more is expected to differ, so that it is judged as an engine of another name.
    monkeypatch.setattr(latency, "INT8_TOLERANCE", 1e-3)
    engines = ("eager", "wrong", "compiled", "aot", "onnxruntime")
    monkeypatch.setitem(latency.ENGINES, "wrong", wrong)
    report = latency.measure(graph, images, settings("any", max_batch=2, engines=engines))
    timed = {(one.engine, one.batch): one.seconds for one in report.timings}
    assert {("eager", 1), ("onnxruntime", 1), ("eager", 2), ("onnxruntime", 2)} == {*timed}
    assert all(len(seconds) == 4 and min(seconds) > 0 for seconds in timed.values())
    reasons = {one["engine"]: one["reason"] for one in report.skipped}
    assert reasons == {
        "wrong": "output 0 differs from eager by 0.1 of its largest value",
        "compiled": "RuntimeError: no such operator",
        "aot": "there is no C++ compiler",
    }
    assert {one["batch"] for one in report.skipped} == {1}


def test_what_no_program_can_hold_is_not_compiled_either() -> None:
    graph = whole_model(tiny_points().eval())
    images = graph.first.random(1, (90,), torch.Generator())
    engines = ("eager", "compiled", "aot", "onnxruntime")
    report = latency.measure(graph, images, settings("any", max_batch=1, engines=engines))
    assert [one.engine for one in report.timings] == ["eager"]
    assert [one["engine"] for one in report.skipped] == [*engines[1:]]
    assert all("cannot hold a points model" in one["reason"] for one in report.skipped)


def test_encoders_of_other_inputs_are_named() -> None:
    with refuses(VisionError, "'swin3d_small' encodes points", "accepts images"):
        latency.measure_latency(settings("swin3d_small"))


def test_a_backbone_through_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        latency, "create_backbone", lambda name: tiny_task(channels_last=False).backbone.eval()
    )
    path = tmp_path / "latency.json"
    latency.measure_latency(settings("convnext_tiny", size=(32, 64), json=path))
    written = json.loads(path.read_text())
    assert [(one["engine"], one["batch"]) for one in written["timings"]] == [
        ("eager", 1),
        ("onnxruntime", 1),
    ]
    assert (written["graph"], written["image"], written["skipped"]) == ("backbone", [3, 32, 64], [])
    assert torch.__version__.startswith(written["versions"]["torch"])
    shown = capsys.readouterr().out
    assert "best of onnxruntime: " in shown
    first = next(line for line in shown.splitlines() if line.startswith("eager"))
    p50 = written["timings"][0]["p50_ms"]
    assert first.split()[3] == f"{p50:.2f}"


def test_sizes_come_from_the_preprocessing() -> None:
    assert latency.usual_size({"image_size": 32}) == (32, 32)
    assert latency.usual_size({"short_side": 512, "long_side": 2048}) == (512, 672)
    assert latency.usual_size(None) == (224, 224)


def test_an_absent_model_is_explained() -> None:
    with refuses(VisionError, "'absent.ckpt'", "load"):
        latency.measure_latency(settings("absent.ckpt"))
