"""Percentiles against numpy, engines against each other, and what is said of those that fail."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_point_task import tiny_points
from helpers.tiny_task import tiny_task
from torch import Tensor

from vision.benchmarks import latency
from vision.benchmarks.engines import ENGINES, Skipped, difference
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.timing import Times
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
        "threads": 1,
        "device": "cpu",
    }
    return latency.Settings(model=model, **{**options, **more})


@pytest.mark.parametrize("count", [1, 2, 7, 100, 101])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).exponential(size=count).tolist()
    for percent in (0, 50, 90, 95, 99, 100):
        expected = np.percentile(values, percent)
        assert latency.percentile(values, percent) == pytest.approx(expected, rel=1e-12)


def timing(engine: str, batch: int, seconds: list[float]) -> latency.Timing:
    return latency.Timing(engine, batch, Times(seconds, seconds))


def test_rows_are_of_calls_beside_those_of_eager() -> None:
    measured = Measurement("calls")
    slow, fast = [0.1, 0.2, 0.3, 1.0], [0.05, 0.1, 0.15, 0.5]
    latency.add_rows(measured, [timing("eager", 8, slow), timing("aot", 8, fast)])
    rows = {(row.label, row.unit): row for row in measured.rows}
    alone, beside = rows["eager at batch 8", "ms/call"], rows["aot at batch 8", "ms/call"]
    assert (alone.ours, alone.theirs) == (pytest.approx(250), None)
    assert (beside.ours, beside.theirs, beside.peer) == pytest.approx((125, 250, "eager"))
    assert (beside.ratio, beside.low, beside.high) == pytest.approx((2, 2, 2))
    assert rows["eager at batch 8, p99", "ms/call"].ours == pytest.approx(979)
    assert rows["aot at batch 8, p99", "ms/call"].ratio == pytest.approx(2)
    assert timing("eager", 8, slow).images_per_second == pytest.approx(8 / 0.25)


def test_batches_grow_while_throughput_does() -> None:
    def timings(*per_image: float) -> list[Any]:
        return [timing("eager", 2**i, [2**i * seconds]) for i, seconds in enumerate(per_image)]

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
    told = difference(found, expected, int8=False)
    assert told == message if message is None else message in told


def test_objects_in_int8_may_come_in_another_order() -> None:
    expected = [torch.tensor([[9.0, 1.0]]), torch.tensor([2, 3])]
    other = [torch.tensor([[1.0, 9.0]]), torch.tensor([3, 2])]
    assert difference(other, expected, int8=True, lists=True) is None
    assert "differs from eager" in difference(other, expected, int8=True)
    assert "differs from eager" in difference(other, expected, int8=False, lists=True)
    wrong = [torch.tensor([[1.0, torch.nan]]), torch.tensor([3, 2])]
    assert "is not finite" in difference(wrong, expected, int8=True, lists=True)
    assert "in place of" in difference(other[::-1], expected, int8=True, lists=True)


def test_engines_agree_and_a_wrong_one_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = whole_model(tiny_task().eval())
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)

    def wrong(graph: Any, *rest: object) -> Any:
        return lambda images: tuple(1.1 * found for found in graph(images))

    def broken(*rest: object) -> Any:
        raise RuntimeError("no such operator\nand much more")

    def absent(*rest: object) -> Any:
        raise Skipped("there is no C++ compiler")

    for name, build in (("int8", wrong), ("compiled", broken), ("aot", absent)):
        monkeypatch.setitem(ENGINES, name, build)
    engines = ("eager", "wrong", "compiled", "aot", "onnxruntime")
    monkeypatch.setitem(ENGINES, "wrong", wrong)
    measured = Measurement("calls")
    options = settings("any", max_batch=2, engines=engines)
    timed = latency.measure(graph, images, options, measured)
    found = {(one.engine, one.batch): one.times.wall for one in timed}
    assert {("eager", 1), ("onnxruntime", 1), ("eager", 2), ("onnxruntime", 2)} == {*found}
    assert all(len(seconds) == 4 and min(seconds) > 0 for seconds in found.values())
    assert measured.notes == [
        "wrong at batch 1 is not timed: output 0 differs from eager by 0.1 of its largest value",
        "compiled at batch 1 is not timed: RuntimeError: no such operator",
        "aot at batch 1 is not timed: there is no C++ compiler",
    ]


def test_what_no_program_can_hold_is_not_compiled_either() -> None:
    graph = whole_model(tiny_points().eval())
    images = graph.first.random(1, (90,), torch.Generator())
    engines = ("eager", "compiled", "aot", "onnxruntime")
    measured = Measurement("calls")
    timed = latency.measure(graph, images, settings("any", engines=engines), measured)
    assert [one.engine for one in timed] == ["eager"]
    assert [note.split()[0] for note in measured.notes] == [*engines[1:]]
    assert all("cannot hold a points model" in note for note in measured.notes)


def test_encoders_of_other_inputs_are_named() -> None:
    with refuses(VisionError, "'swin3d_small' encodes points", "accepts images"):
        latency.measure_latency(settings("swin3d_small"))


def test_a_backbone_in_its_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        latency, "create_backbone", lambda name: tiny_task(channels_last=False).backbone.eval()
    )
    table = latency.measure_latency(settings("convnext_tiny", size=(32, 64)))
    assert table.title == "Calls of convnext_tiny (backbone), 3 x 32 x 64"
    named = {row.label for row in table.rows}
    assert {"eager at batch 1", "onnxruntime at batch 1", "onnxruntime at batch 1, p90"} <= named
    assert table.notes[-1].startswith("best of onnxruntime: ")
    assert table.notes[-1].endswith(" images/s at batch 1")


def test_sizes_come_from_the_preprocessing() -> None:
    assert latency.usual_size({"image_size": 32}) == (32, 32)
    assert latency.usual_size({"short_side": 512, "long_side": 2048}) == (512, 672)
    assert latency.usual_size(None) == (224, 224)


def test_an_absent_model_is_explained() -> None:
    with refuses(VisionError, "'absent.ckpt'", "load"):
        latency.measure_latency(settings("absent.ckpt"))
