import math
from collections import Counter

import numpy as np
import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.data.loading.aspect_sampling import AspectSampler


def samplers(portrait: list[bool], batch_size: int, count: int, *, seed: int = 0, epoch: int = 0):
    made = [
        AspectSampler(
            portrait,  # of the dataset only the length is used
            portrait=np.array(portrait, dtype=bool),
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            count=count,
        )
        for rank in range(count)
    ]
    for sampler in made:
        sampler.set_epoch(epoch)
    return made


def read(made: list[AspectSampler]) -> torch.Tensor:
    """Indices `(length, processes)`."""
    keys = [list(sampler) for sampler in made]
    assert [len(own) for own in keys] == [len(sampler) for sampler in made]
    return torch.tensor([[index for _, index in own] for own in keys]).T


MANY = [i % 3 == 0 for i in range(100)]


@given(
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 5),
)
@examples(60)
def test_each_batch_over_all_processes_has_one_orientation(
    portrait: list[bool], batch_size: int, count: int, epoch: int
) -> None:
    indices = read(samplers(portrait, batch_size, count, epoch=epoch))
    flags = torch.tensor(portrait)[indices]
    for batch in flags.split(batch_size):
        assert len(batch) == batch_size
        assert batch.unique().numel() == 1


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 3))
@examples(60)
def test_every_index_occurs_once_but_for_what_fills_the_last_batches(
    portrait: list[bool], batch_size: int, count: int
) -> None:
    seen = Counter(read(samplers(portrait, batch_size, count)).flatten().tolist())
    assert set(seen) == set(range(len(portrait)))
    for flag in {*portrait}:
        group = [i for i, own in enumerate(portrait) if own == flag]
        whole = math.ceil(len(group) / (batch_size * count)) * batch_size * count
        assert sum(seen[i] for i in group) == whole
        # Repeats are shared out evenly.
        assert max(seen[i] for i in group) == math.ceil(whole / len(group))


def test_where_all_batches_are_whole_every_index_occurs_exactly_once() -> None:
    portrait = [True] * 12 + [False] * 24
    indices = read(samplers(portrait, 3, 2)).flatten().tolist()
    assert sorted(indices) == list(range(36))


def test_processes_share_what_one_process_sees() -> None:
    (one,) = samplers(MANY, 8, 1, epoch=3)
    for count in (2, 4):
        shares = read(samplers(MANY, 8 // count, count, epoch=3))
        assert shares.flatten().tolist() == read([one]).flatten().tolist()


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(**numbers: int) -> list[int]:
        return read(samplers(MANY, 4, 1, **numbers)).flatten().tolist()

    torch.manual_seed(1)
    first = order(seed=1, epoch=2)
    torch.manual_seed(2)
    assert order(seed=1, epoch=2) == first
    others = [order(seed=1, epoch=3), order(seed=2, epoch=2), order(seed=2, epoch=1)]
    assert all(other != first for other in others)


@pytest.mark.parametrize("skipped", [4, 12, 40])
def test_a_resumed_epoch_goes_on_in_the_same_order(skipped: int) -> None:
    made = samplers(MANY, 4, 2, epoch=5)
    whole = read(made)
    resumed = samplers(MANY, 4, 2)
    for sampler in resumed:
        sampler.resume(5, skipped)
    rest = [[index for _, index in sampler] for sampler in resumed]
    assert rest == whole[skipped:].T.tolist()
    for sampler in resumed:  # the next epoch is whole again
        sampler.set_epoch(6)
    following = samplers(MANY, 4, 2, epoch=6)
    assert read(resumed).tolist() == read(following).tolist()


def test_batches_of_both_orientations_are_mixed_over_the_epoch() -> None:
    (sampler,) = samplers([True] * 200 + [False] * 200, 4, 1)
    flags = (read([sampler]).flatten() < 200)[::4]
    assert flags[:50].any()
    assert not flags[:50].all()
