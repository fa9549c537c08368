"""The model of a step on many GPUs against cases worked out by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.benchmarks.cluster import Cluster, Strategy, Unit, model_step

# One TFLOP per second, no latency and no jitter; 8 Gbit are 1 GB per second between nodes.
PLAIN = Cluster(
    gpu_tflops=1.0,
    utilization=1.0,
    node_size=2,
    node_gbytes=2.0,
    link_gbps=8.0,
    node_latency=0.0,
    link_latency=0.0,
    jitter=0.0,
)
STRATEGIES: list[Strategy] = ["ddp", "fsdp", "fsdp2"]
units = st.lists(st.builds(Unit, st.floats(1e4, 1e9), st.floats(1e6, 1e12)), min_size=1, max_size=6)


def test_transfers_by_hand() -> None:
    # In a node half of 4 GB at 2 GB/s; over four nodes of two, 3/4 of each GPU's 2 GB at 1 GB/s.
    assert PLAIN.gather_seconds(4e9, 1) == 0
    assert PLAIN.gather_seconds(4e9, 2) == pytest.approx(1.0)
    assert PLAIN.gather_seconds(4e9, 8) == pytest.approx(1.0 + 1.5)
    assert PLAIN.reduce_seconds(4e9, 8) == pytest.approx(2 * 2.5)
    late = replace(PLAIN, node_latency=0.1, link_latency=1.0)
    assert late.gather_seconds(0.0, 8) == pytest.approx(0.1 + 2 * 1.0)  # a tree over four nodes


def test_ddp_hides_all_but_the_last_bucket() -> None:
    # Each unit: 1 s forward, 2 s backward, and 1 s to all-reduce 2 GB over the two GPUs of a node.
    model = [Unit(2e9, 1e12)] * 3
    step = model_step(model, 1, cluster=PLAIN, devices=2, strategy="ddp")
    assert (step.compute, step.transfers) == (pytest.approx(9.0), pytest.approx(3.0))
    assert step.exposed == pytest.approx(1.0)
    assert step.efficiency == pytest.approx(0.9)
    # Sending is the slower: 2 s of backward pass, then 3 transfers of 4 s, after 3 s of forward.
    slow = [Unit(8e9, 1e12)] * 3
    assert model_step(slow, 1, cluster=PLAIN, devices=2, strategy="ddp").seconds == pytest.approx(
        3 + 2 + 3 * 4
    )


def test_small_gradients_wait_for_a_full_bucket() -> None:
    def transfers(size: float, count: int) -> float:
        cluster = replace(PLAIN, node_gbytes=math.inf, node_latency=0.5)
        model = [Unit(size, 1e12)] * count
        return model_step(model, 1, cluster=cluster, devices=2, strategy="ddp").transfers

    # Each costs a latency there and one back. The first is full at 1 MiB, the others at 25 MiB.
    assert transfers(2**20, 1) == pytest.approx(1.0)
    assert transfers(2**20, 26) == pytest.approx(2.0)
    assert transfers(2**20, 27) == pytest.approx(3.0)


def test_fsdp_by_hand() -> None:
    # Gathering a unit takes 1 s, as its forward pass does. In order: gather 1, forward 1 and 2;
    # gather 2 again, backward 2; backward 1 (kept), meanwhile scatter 2; scatter 1.
    model = [Unit(4e9, 1e12)] * 2
    step = model_step(model, 1, cluster=PLAIN, devices=2, strategy="fsdp2")
    assert step.seconds == pytest.approx(1 + 2 + 1 + 2 + 2 + 1)
    assert step.transfers == pytest.approx(3 + 2)
    # As one unit nothing is hidden: 2 s to gather and 2 s to scatter.
    whole = model_step(model, 1, cluster=PLAIN, devices=2, strategy="fsdp")
    assert whole.seconds == pytest.approx(2 + 6 + 2)


def test_stragglers() -> None:
    # Expected maximum of normal numbers: 1 / sqrt(pi) of two, 3 / (2 sqrt(pi)) of three.
    cluster = replace(PLAIN, jitter=0.1)
    assert cluster.slowest(1) == 1.0
    assert cluster.slowest(2) == pytest.approx(1 + 0.1 / math.sqrt(math.pi), abs=3e-3)
    assert cluster.slowest(3) == pytest.approx(1 + 0.15 / math.sqrt(math.pi), abs=3e-3)


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(25)
@given(model=units, images=st.integers(1, 512), link=st.floats(1, 1e4))
def test_efficiency_falls_with_devices(
    strategy: Strategy, model: list[Unit], images: int, link: float
) -> None:
    cluster = Cluster(link_gbps=link)
    efficiency = [
        model_step(model, images, cluster=cluster, devices=devices, strategy=strategy).efficiency
        for devices in (1, 2, 8, 16, 64, 256, 1024)
    ]
    assert efficiency[0] == 1.0
    assert all(0 < low <= high for high, low in pairwise(efficiency))


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(25)
@given(model=units, images=st.integers(1, 512), devices=st.sampled_from([2, 8, 64]))
def test_a_faster_link_never_hurts(
    strategy: Strategy, model: list[Unit], images: int, devices: int
) -> None:
    steps = [
        model_step(
            model, images, cluster=Cluster(link_gbps=link), devices=devices, strategy=strategy
        )
        for link in (100, 400)
    ]
    assert steps[1].seconds <= steps[0].seconds
    for step in steps:
        slack = 1e-9 * step.seconds
        assert step.compute - slack <= step.seconds <= step.compute + step.transfers + slack
