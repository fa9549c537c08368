"""The benchmark of FlatFormer's encoder, on few pillars."""

import pytest

from vision.benchmarks import pillars
from vision.benchmarks.pillars import Benchmark, Settings, measure_pillars
from vision.benchmarks.timing import Times

ONE, THREE = Times([1.0], [1.0]), Times([9.0], [9.0])
SETTINGS = Settings(pillars=[1000, 3000], threads=1, rounds=1, warmup=0, device="cpu")


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_step_runs(mode: str) -> None:
    one = Benchmark(SETTINGS, 100)
    assert one.step(mode).shape == (100, 128)
    assert len(one.coords.unique(dim=0)) == 100
    grads = [parameter.grad for parameter in one.encoder.parameters()]
    assert all((grad is not None) is (mode == "training") for grad in grads)


def test_rows_and_the_exponent_of_their_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillars, "times", lambda steps, *_, **__: [ONE, THREE])
    table = measure_pillars(SETTINGS)
    rows = {(row.label, row.unit): row.ours for row in table.rows}
    assert rows["training, 1,000 pillars", "ms/sweep"] == pytest.approx(1000)
    assert rows["training, 3,000 pillars", "ms/sweep"] == pytest.approx(9000)
    assert rows["inference grows with pillars", "exponent"] == pytest.approx(2)
