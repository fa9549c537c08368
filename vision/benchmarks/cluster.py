"""A model of a training step on many GPUs: compute from FLOPs, transfers from latency and bytes.

A transfer takes its latency plus its bytes over the bandwidth (alpha and beta; "Optimization of
Collective Communication Operations in MPICH", 2005, section 3). Transfers run beside the backward
pass as PyTorch issues them, and all devices wait for the slowest. It is a model: nothing here is
measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple, get_args

Strategy = Literal["ddp", "fsdp", "fsdp2"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
# A backward pass computes twice what its forward pass does: gradients of inputs and of weights.
BACKWARD = 2.0
# What DDP gathers before it sends it; the first bucket is smaller, so that sending begins early.
FIRST_BUCKET, BUCKET = 2**20, 25 * 2**20


@dataclass(frozen=True)
class Cluster:
    """What computes, and what connects it.

    Attributes:
        gpu_tflops: Peak of a GPU in dense matrix products, in 1e12 FLOPs per second.
        utilization: Share of the peak that training reaches on one GPU, in (0, 1].
        node_size: GPUs in a node.
        node_gbytes: Bandwidth of a GPU inside its node, one way, in 1e9 bytes per second.
        link_gbps: Bandwidth of a GPU to other nodes, one way, in 1e9 bits per second.
        node_latency: Latency of a message inside a node, in seconds.
        link_latency: Latency of a message between nodes, in seconds.
        jitter: Standard deviation of a GPU's computing time from step to step, as a share of it.
    """

    gpu_tflops: float = 989.0
    utilization: float = 0.3
    node_size: int = 8
    node_gbytes: float = 450.0
    link_gbps: float = 400.0
    node_latency: float = 5e-6
    link_latency: float = 15e-6
    jitter: float = 0.02

    def compute_seconds(self, flops: float) -> float:
        """Time of one GPU for as many floating-point operations."""
        return flops / (self.gpu_tflops * 1e12 * self.utilization)

    def gather_seconds(self, size: float, devices: int) -> float:
        """Time to all-gather, or to reduce-scatter, a tensor over the devices.

        First between GPUs of the same place in each node, each with its share, then inside the
        nodes. The latency is that of trees, the logarithm of the number of devices.

        Args:
            size: Bytes of the whole tensor.
            devices: Number of GPUs, filled node by node.
        """
        inside = min(devices, self.node_size)
        nodes = math.ceil(devices / self.node_size)
        seconds = math.ceil(math.log2(inside)) * self.node_latency
        seconds += (inside - 1) / inside * size / (self.node_gbytes * 1e9)
        seconds += math.ceil(math.log2(nodes)) * self.link_latency
        return seconds + (nodes - 1) / nodes * (size / inside) / (self.link_gbps * 1e9 / 8)

    def reduce_seconds(self, size: float, devices: int) -> float:
        """Time to all-reduce a tensor: a reduce-scatter and an all-gather."""
        return 2 * self.gather_seconds(size, devices)

    def slowest(self, devices: int) -> float:
        """Expected computing time of the slowest of the devices, over the mean.

        The expected maximum of normal numbers by Blom's approximation ("Statistical Estimates and
        Transformed Beta-Variables", 1958); 1 for a single device.
        """
        place = (devices - 0.375) / (devices + 0.25)
        return 1 + self.jitter * NormalDist().inv_cdf(place)


class Unit(NamedTuple):
    """A part of a model whose parameters are sent together.

    Attributes:
        bytes: Of its parameters, as they are sent.
        flops: Of its forward pass for one image.
    """

    bytes: float
    flops: float


class Step(NamedTuple):
    """The time of a training step, in seconds.

    Attributes:
        devices: Number of GPUs.
        seconds: Of the whole step.
        compute: Of the slowest GPU's forward and backward pass.
        transfers: Of all transfers, also of those that are hidden behind computing.
        efficiency: Time of a step with as many images on a single GPU, over `seconds`.
    """

    devices: int
    seconds: float
    compute: float
    transfers: float
    efficiency: float

    @property
    def exposed(self) -> float:
        """Time of transfers that nothing hides, in seconds."""
        return self.seconds - self.compute


def model_step(
    units: Sequence[Unit], images: float, *, cluster: Cluster, devices: int, strategy: Strategy
) -> Step:
    """The time of a step of data-parallel training.

    Args:
        units: Parts of the model in the order of the forward pass.
        images: Images per GPU and step.
        cluster: The hardware.
        devices: Number of GPUs.
        strategy: `"ddp"` all-reduces gradients in buckets; `"fsdp2"` gathers the parameters of
            each unit before it computes, forward and backward, but for those of the first, which
            surrounds the others, only once, and reduce-scatters gradients; `"fsdp"` takes the
            whole model as one unit.
    """
    alone = cluster.compute_seconds((1 + BACKWARD) * images * sum(unit.flops for unit in units))
    slow = cluster.slowest(devices)
    forward = [cluster.compute_seconds(images * unit.flops) * slow for unit in units]
    if devices == 1:
        return Step(1, alone, alone, 0.0, 1.0)
    sizes = [unit.bytes for unit in units]
    if strategy == "fsdp":
        forward, sizes = [sum(forward)], [sum(sizes)]
    if strategy == "ddp":
        seconds, transfers = _overlap_buckets(forward, sizes, cluster, devices)
    else:
        gathers = [cluster.gather_seconds(size, devices) for size in sizes]
        seconds, transfers = _overlap_units(forward, gathers)
    return Step(devices, seconds, slow * alone, transfers, alone / seconds)


def _overlap_buckets(
    forward: Sequence[float], sizes: Sequence[float], cluster: Cluster, devices: int
) -> tuple[float, float]:
    """Seconds of a step, and of its transfers, where full buckets are sent during the backward."""
    clock, free, transfers = sum(forward), 0.0, 0.0
    waiting, limit = 0.0, FIRST_BUCKET
    for i in reversed(range(len(sizes))):
        clock += BACKWARD * forward[i]
        waiting += sizes[i]
        if waiting >= limit or i == 0:
            lasts = cluster.reduce_seconds(waiting, devices)
            free = max(free, clock) + lasts
            transfers += lasts
            waiting, limit = 0.0, BUCKET
    return max(clock, free), transfers


def _overlap_units(forward: Sequence[float], gathers: Sequence[float]) -> tuple[float, float]:
    """The same where units are gathered one ahead of their use; the first one stays gathered."""
    count = len(forward)
    clock, free = 0.0, gathers[0]
    ready = [free] * count
    for i in range(count):
        start = max(clock, ready[i])
        if i + 1 < count:
            free = max(free, start) + gathers[i + 1]
            ready[i + 1] = free
        clock = start + forward[i]
    ready = [clock] * count
    if count > 1:
        free = max(free, clock) + gathers[-1]
        ready[-1] = free
    for i in reversed(range(count)):
        start = max(clock, ready[i])
        if i > 1:
            free = max(free, start) + gathers[i - 1]
            ready[i - 1] = free
        clock = start + BACKWARD * forward[i]
        free = max(free, clock) + gathers[i]  # the gradients, scattered in as much time
    return max(clock, free), 3 * sum(gathers) - gathers[0]
