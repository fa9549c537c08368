"""What a training step sends between processes: its collectives and their bytes, counted."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vision.backbones.registry import create_backbone
from vision.benchmarks.cluster import Strategy
from vision.benchmarks.embedding import Embedding
from vision.optim.fsdp2 import shard_units

# Operators of c10d by the name of what they do; each is counted by its larger side.
NAMES = {
    "allreduce_": "all-reduce",
    "allreduce_coalesced_": "all-reduce",
    "_allgather_base_": "all-gather",
    "allgather_": "all-gather",
    "allgather_into_tensor_coalesced_": "all-gather",
    "_reduce_scatter_base_": "reduce-scatter",
    "reduce_scatter_": "reduce-scatter",
    "reduce_scatter_tensor_coalesced_": "reduce-scatter",
}


class Sent(NamedTuple):
    """Collectives of one kind in a step.

    Attributes:
        kind: `"all-reduce"`, `"all-gather"` or `"reduce-scatter"`.
        calls: Number of collectives.
        bytes: Of their whole tensors, summed.
    """

    kind: str
    calls: int
    bytes: int


class Collectives(TorchDispatchMode):
    """Counts the collectives that run inside it, in this thread and its backward pass.

    Attributes:
        sizes: Bytes of the whole tensor of each collective, by kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[str, list[int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        space, _, name = func.name().partition("::")
        if space == "c10d" and name in NAMES:
            sides = [_bytes(argument) for argument in args[:2]]
            self.sizes.setdefault(NAMES[name], []).append(max(sides))
        return func(*args, **(kwargs or {}))

    def totals(self) -> list[Sent]:
        """What was counted, by kind."""
        return [Sent(kind, len(sizes), sum(sizes)) for kind, sizes in sorted(self.sizes.items())]


def _bytes(argument: Any) -> int:
    tensors = [leaf for leaf in tree_leaves(argument) if isinstance(leaf, Tensor)]
    return sum(tensor.nbytes for tensor in tensors)


def distribute(model: Embedding, strategy: Strategy) -> nn.Module:
    """Wrap a model as the trainer does under a strategy; the processes are connected already."""
    if strategy == "ddp":
        return DistributedDataParallel(model)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel

    if strategy == "fsdp":
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), use_orig_params=True)
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    return shard_units(model, model.backbone, mesh)


def count_step(name: str, strategy: Strategy, size: int) -> list[Sent]:
    """Count what one training step sends, on each of several connected processes.

    The second step is counted: DDP chooses its buckets in the first.

    Args:
        name: A backbone.
        strategy: How the processes share the work.
        size: Height and width of the images, in pixels.
    """
    torch.manual_seed(0)
    model = distribute(Embedding(create_backbone(name).train()), strategy)
    images = torch.zeros(1, 3, size, size)
    for _ in range(2):
        with Collectives() as counted:
            model(images).sum().backward()
    return counted.totals()


def count_in_processes(
    name: str, strategies: Sequence[Strategy], *, size: int, processes: int = 2
) -> dict[str, list[Sent]]:
    """Count what a training step sends, in processes that meet over gloo on this machine.

    Args:
        name: A backbone.
        strategies: Ways to share the work.
        size: Height and width of the images, in pixels.
        processes: Number of processes.

    Returns:
        The collectives of the first process, by strategy.
    """
    with tempfile.TemporaryDirectory() as folder:
        task = {"name": name, "strategies": [*strategies], "size": size, "processes": processes}
        command = [sys.executable, "-m", "vision.benchmarks.collectives", folder, json.dumps(task)]
        started = [subprocess.Popen([*command, str(rank)]) for rank in range(processes)]
        try:
            codes = [process.wait() for process in started]
        finally:
            for process in started:
                process.kill()
        if any(codes):
            raise RuntimeError(f"counting collectives failed: exit codes {codes}")
        found = json.loads((Path(folder) / "counts.json").read_text())
    return {strategy: [Sent(*row) for row in rows] for strategy, rows in found.items()}


@contextmanager
def connected(folder: Path, rank: int, processes: int) -> Iterator[None]:
    """Connect this process with the others over gloo, by a file in a folder."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=processes
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _main(folder: Path, task: dict[str, Any], rank: int) -> None:
    torch.set_num_threads(1)
    with connected(folder, rank, task["processes"]):
        found = {
            strategy: count_step(task["name"], strategy, task["size"])
            for strategy in task["strategies"]
        }
    if rank == 0:
        (folder / "counts.json").write_text(json.dumps(found))


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    _main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
