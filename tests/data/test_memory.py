"""A worker's memory does not grow while it reads through a large index."""

import gc
import multiprocessing
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vision.data.files import PathList
from vision.data.image_folder import FolderSamples
from vision.data.images import EncodedImage
from vision.data.sampling import EpochSampler, SeededSamples

STATE = Path("/proc/self/smaps_rollup")
COUNT = 1_300_000
MIB = 2**20

pytestmark = pytest.mark.skipif(not STATE.exists(), reason="this system does not tell")


def private_bytes() -> int:
    """Memory of this process that it shares with no other."""
    sizes = re.findall(r"^Private_\w+: +(\d+) kB$", STATE.read_text(), re.MULTILINE)
    return 1024 * sum(map(int, sizes))


def growth_in_a_worker(read_all: Callable[[], None]) -> int:
    """How much private memory a forked process gains by reading."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        gc.disable()  # a collection touches every object of the parent
        before = private_bytes()
        read_all()
        sender.send(private_bytes() - before)

    worker = context.Process(target=work)
    worker.start()
    growth = receiver.recv()
    worker.join()
    return growth


def names() -> Sequence[str]:
    return [f"data/imagenet/train/n{i // 1300:08}/n{i // 1300:08}_{i}.JPEG" for i in range(COUNT)]


class NoImage:
    """In place of a transform: the index is what is measured."""

    def decode(self, encoded: EncodedImage) -> Tensor:
        return torch.zeros(1)


@pytest.fixture(scope="module")
def index() -> PathList:
    return PathList(names())


@pytest.fixture
def samples(index: PathList, monkeypatch: pytest.MonkeyPatch) -> FolderSamples:
    def read_file(path: str) -> EncodedImage:
        assert path.endswith(".JPEG")
        return EncodedImage(b"", path)

    monkeypatch.setattr("vision.data.image_folder.read_file", read_file)
    return FolderSamples(index, np.arange(COUNT) // 1300, NoImage())


def test_reading_1_3_million_samples_leaves_a_worker_as_it_was(samples: FolderSamples) -> None:
    def read_all() -> None:
        for i in range(COUNT):
            assert samples.paths[i]
            assert samples.labels[i] == i // 1300
            if i % 20 == 0:  # making tensors of all takes a minute
                assert samples[i]["label"] == i // 1300

    assert growth_in_a_worker(read_all) < 8 * MIB


def test_the_measurement_sees_what_a_list_of_paths_would_cost() -> None:
    paths = list(names())

    def read_all() -> None:
        for path in paths:  # counts references, and so writes to the page of each
            assert path

    assert growth_in_a_worker(read_all) > 100 * MIB


def test_keys_of_an_epoch_are_made_one_by_one(samples: FolderSamples) -> None:
    seeded = SeededSamples(samples, seed=0)
    sampler = EpochSampler(seeded, seed=0)

    def read_all() -> None:
        for epoch in range(2):
            sampler.set_epoch(epoch)
            for key in sampler:
                assert key[0] == epoch

    # The order is one array of 1.3 million numbers, its permutation another for a moment.
    assert growth_in_a_worker(read_all) < 64 * MIB


def test_seeding_samples_keeps_nothing(samples: FolderSamples) -> None:
    seeded = SeededSamples(samples, seed=0)

    def read_all() -> None:
        for i in range(0, COUNT, 20):
            assert seeded[3, i]["index"] == i

    assert growth_in_a_worker(read_all) < 8 * MIB
