"""How much memory a forked worker gains by reading through a large index; prints JSON.

In a process of its own: in a large one, what a worker allocates comes out of memory that the parent
has freed, and counts as gained.
"""

import gc
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from helpers.shards import picture, write_tar
from torch import Tensor

from vision.data.datasets import image_folder
from vision.data.files.finding import PathList
from vision.data.images.read import EncodedImage
from vision.data.loading.sampling import EpochSampler, SeededSamples
from vision.data.shards.classification import ShardSamples
from vision.data.shards.contents import About
from vision.data.shards.forms import find_form
from vision.data.shards.index import Shard, ShardIndex
from vision.data.shards.reader import ShardReader

COUNT = 500_000
FIRST = 1_000  # samples that are read before the measurement
SHARDED, SHARDS = 1_300_000, 500  # images, and the shards that hold them


def private_bytes() -> int:
    """Memory of this process that it shares with no other."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB$", text, re.MULTILINE)))


def growth(read: Callable[[int, int], None], *, first: int = FIRST, count: int = COUNT) -> int:
    """Bytes of private memory that a forked process gains by reading all but the first samples."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        gc.disable()  # a collection touches every object of the parent
        read(0, first)
        before = private_bytes()
        read(first, count)
        sender.send(private_bytes() - before)

    worker = context.Process(target=work)
    worker.start()
    gained = receiver.recv()
    worker.join()
    return gained


class NoImage:
    """In place of a transform: the index is what is measured."""

    def decode(self, encoded: EncodedImage) -> Tensor:
        return torch.zeros(1)


def growth_of_shards(folder: Path) -> int:
    """The same for 4,000 samples of a large set of shards, in random order."""
    path = write_tar(folder / "0.tar", [("0.png", picture(0))])
    for i in range(1, SHARDS):
        os.link(path, folder / f"{i}.tar")
    place = np.array((512, len(picture(0)), 0), dtype=find_form("classification").place)
    places = np.full(SHARDED, place)
    table = [Shard(f"{i}.tar", SHARDED // SHARDS, path.stat().st_size) for i in range(SHARDS)]
    index = ShardIndex(table, places, About(("one",), "classification"))
    samples = ShardSamples(ShardReader(str(folder), index, max_open=9), NoImage())
    order = torch.randperm(SHARDED, generator=torch.Generator().manual_seed(0))[:4000].tolist()

    def read(start: int, stop: int) -> None:
        for i in order[start:stop]:
            assert samples[i]["label"] == 0

    return growth(read, first=200, count=len(order))


def main() -> None:
    torch.set_num_threads(1)
    image_folder.read_file = lambda path: EncodedImage(b"", path)
    names = [f"data/imagenet/train/n{i // 1300:08}/n{i // 1300:08}_{i}.JPEG" for i in range(COUNT)]
    samples = image_folder.FolderSamples(PathList(names), np.arange(COUNT) // 1300, NoImage())
    seeded = SeededSamples(samples, seed=0)
    sampler = EpochSampler(seeded, seed=0)

    def read_index(start: int, stop: int) -> None:
        for i in range(start, stop):
            assert samples.paths[i].endswith(".JPEG")
            assert samples.labels[i] == i // 1300
            if i % 20 == 0:  # making the tensors of all takes a minute
                assert seeded[3, i]["index"] == i

    def read_keys(start: int, stop: int) -> None:
        for key, _ in zip(sampler, range(stop - start), strict=False):
            assert len(key) == 2

    def read_list(start: int, stop: int) -> None:
        for name in names[start:stop]:  # counts references, and so writes to the page of each
            assert name

    reads = {"index": read_index, "keys": read_keys, "list": read_list}
    gained = {name: growth(read) for name, read in reads.items()}
    with tempfile.TemporaryDirectory() as folder:
        gained["shards"] = growth_of_shards(Path(folder))
    json.dump(gained, sys.stdout)


if __name__ == "__main__":
    main()
