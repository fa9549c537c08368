import time
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from vision.data.loading.sampling import SeededSamples
from vision.data.shards.order import ShardOrder
from vision.workers import start_worker

COUNTS = [5, 9, 0, 7, 8, 6, 10, 1, 7, 8, 5, 9]
TOTAL = sum(COUNTS)
SHARD_OF = np.repeat(np.arange(len(COUNTS)), COUNTS)


class Numbers(Dataset[torch.Tensor]):
    def __init__(self, length: int = TOTAL) -> None:
        self.length = length

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.cat([torch.tensor([float(index)]), torch.rand(1)])

    def __len__(self) -> int:
        return self.length


def make(**options: object) -> ShardOrder:
    return ShardOrder(Numbers(), **{"counts": COUNTS, "window": 3, "seed": 0, **options})


def indices(**options: object) -> list[int]:
    return [key[1] for key in make(**options)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("window", [1, 3, 100])
def test_processes_share_an_epoch(count: int, window: int) -> None:
    shares = [indices(rank=rank, count=count, window=window) for rank in range(count)]
    assert {len(share) for share in shares} == {len(make(count=count))} == {-(-TOTAL // count)}
    drawn = Counter(index for share in shares for index in share)
    assert sorted(drawn) == list(range(TOTAL))
    assert sum(drawn.values()) < TOTAL + count  # repeated only to fill up
    # A process repeats its own: it needs no further shard for that.
    assert all(len(share) - len(set(share)) <= 1 for share in shares)


@pytest.mark.parametrize("count", [2, 4])
def test_a_process_reads_its_share_of_the_shards(count: int) -> None:
    for rank in range(count):
        order = ShardOrder(Numbers(800), counts=[10] * 80, window=4, seed=3, rank=rank, count=count)
        assert len({key[1] // 10 for key in order}) == 80 // count


@pytest.mark.parametrize("window", [1, 2, 4])
def test_few_shards_are_in_use_at_a_time(window: int) -> None:
    order = SHARD_OF[indices(window=window, counts=COUNTS)]
    last = {shard: position for position, shard in enumerate(order)}
    begun: set[int] = set()
    for position, shard in enumerate(order):
        begun.add(shard)
        assert sum(last[other] >= position for other in begun) <= window


def test_samples_of_a_window_are_mixed() -> None:
    order = SHARD_OF[indices(window=4)]
    changes = np.count_nonzero(order[1:] != order[:-1])
    # A uniform mixture of four equal shards changes the shard in 3 of 4 steps.
    assert changes > 0.5 * TOTAL
    in_shards = indices(window=1)
    assert np.count_nonzero(np.diff(SHARD_OF[in_shards])) == sum(n > 0 for n in COUNTS) - 1
    assert np.any(np.diff(in_shards) < 0)  # shuffled within a shard as well


def test_a_window_of_everything_shuffles_uniformly() -> None:
    places = np.zeros((TOTAL,), dtype=np.float64)
    for seed in range(300):
        places += np.argsort(indices(window=len(COUNTS), seed=seed))
    # The mean of 300 uniform places has a standard deviation of 0.29 / 17 of the range.
    assert np.abs(places / 300 / (TOTAL - 1) - 0.5).max() < 5 * 0.29 / np.sqrt(300)


def test_epochs_and_seeds_differ_and_are_repeatable() -> None:
    orders = []
    for seed in (0, 1):
        for epoch in (0, 1):
            sampler = make(seed=seed)
            sampler.set_epoch(epoch)
            orders.append(tuple(sampler))
            assert tuple(sampler) == orders[-1]
            assert {key[0] for key in sampler} == {epoch}
    assert len({tuple(key[1] for key in order) for order in orders}) == 4
    shards = [tuple(dict.fromkeys(SHARD_OF[[key[1] for key in order]])) for order in orders]
    assert len(set(shards)) == 4


def test_a_resumed_epoch_goes_on_exactly() -> None:
    for count, rank in ((1, 0), (3, 1)):
        whole, resumed = (make(rank=rank, count=count) for _ in range(2))
        whole.set_epoch(2)
        resumed.resume(2, 7)
        assert list(resumed) == list(whole)[7:]
        for sampler in (whole, resumed):
            sampler.set_epoch(3)
        assert list(resumed) == list(whole)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_repeats_are_keys_of_their_own(count: int) -> None:
    shares = [list(make(rank=rank, count=count, repeats=3)) for rank in range(count)]
    assert {len(share) for share in shares} == {-(-TOTAL // count)}
    for share in shares:
        # The last image may be cut off; a process that is one image short repeats one of its own.
        draws = Counter(key[1] for key in set(share))
        assert sum(n != 3 for n in draws.values()) <= 1
        assert len(share) - len(set(share)) <= 3
        assert {key[2] for key in share} == {0, 1, 2}
    drawn = {key[1] for share in shares for key in share}
    assert abs(len(drawn) - TOTAL / 3) <= count
    assert len({SHARD_OF[index] for index in drawn}) < len(COUNTS) / 2 + 1


def test_workers_do_not_change_the_data() -> None:
    def read(workers: int) -> torch.Tensor:
        dataset = SeededSamples(Numbers(), seed=0)
        loader = DataLoader(
            dataset,
            batch_size=4,
            sampler=make(rank=1, count=2),
            num_workers=workers,
            worker_init_fn=start_worker,
        )
        return torch.cat(list(loader))

    expected = read(0)
    torch.testing.assert_close(read(2), expected, rtol=0, atol=0)


@pytest.mark.parametrize("skipped", [0, 20])
def test_shards_are_announced_before_they_are_used(skipped: int) -> None:
    announced: list[int] = []
    sampler = make(ahead=announced.append)
    sampler.resume(0, skipped)
    used: dict[int, None] = {}
    for key in sampler:
        shard = int(SHARD_OF[key[1]])
        # The first one is needed at once.
        assert shard in used or not used or shard in announced
        used[shard] = None
    assert announced == list(used)[1:]


def test_a_million_samples_are_ordered_fast() -> None:
    sampler = ShardOrder(Numbers(1_300_000), counts=[2_600] * 500, window=8, seed=0)
    start = time.process_time()
    next(iter(sampler))
    assert time.process_time() - start < 10  # 0.5 s on a slow core
