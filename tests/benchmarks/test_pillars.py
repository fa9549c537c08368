"""The benchmark of FlatFormer's encoder, on few pillars."""

import pytest

from vision.benchmarks.pillars import Benchmark, Settings, growth

SETTINGS = Settings(pillars=[100, 300], threads=1, rounds=1, warmup=0, device="cpu")


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_step_runs(mode: str) -> None:
    one = Benchmark(SETTINGS, 100)
    assert one.step(mode).shape == (100, 128)
    assert len(one.coords.unique(dim=0)) == 100
    grads = [parameter.grad for parameter in one.encoder.parameters()]
    assert all((grad is not None) is (mode == "training") for grad in grads)


def test_an_exponent_is_that_of_the_power() -> None:
    assert growth([10, 20, 40], [3.0, 6.0, 12.0]) == pytest.approx(1.0)
    assert growth([10, 20, 40], [1.0, 4.0, 16.0]) == pytest.approx(2.0)
