import math

import pytest
import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from vision.data.loading.sampling import (
    CountedSamples,
    EpochSampler,
    EvaluationSampler,
    SeededSamples,
)
from vision.workers import start_worker

COUNT = 11


class Noise(Dataset[torch.Tensor]):
    """The index and a random number: what order and augmentation make of a dataset."""

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.cat([torch.tensor([float(index)]), torch.rand(1)])

    def __len__(self) -> int:
        return COUNT


def make_loader(
    *,
    seed: int = 0,
    workers: int = 0,
    persistent: bool = False,
    dataset: SeededSamples | None = None,
) -> DataLoader:
    dataset = dataset or SeededSamples(Noise(), seed=seed)
    return DataLoader(
        dataset,
        batch_size=3,
        sampler=EpochSampler(dataset, seed=seed),
        num_workers=workers,
        persistent_workers=persistent,
        worker_init_fn=start_worker,
    )


def read_epochs(loader: DataLoader, epochs: list[int]) -> torch.Tensor:
    read = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        read.append(torch.cat(list(loader)))
    return torch.stack(read)  # (epochs, N, 2)


def test_each_epoch_has_all_samples_in_an_order_of_its_own() -> None:
    first, second = read_epochs(make_loader(), [0, 1])
    for epoch in (first, second):
        assert sorted(epoch[:, 0].tolist()) == list(range(COUNT))
    assert first[:, 0].tolist() != second[:, 0].tolist()
    assert not set(first[:, 1].tolist()) & set(second[:, 1].tolist())


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_do_not_change_the_data(persistent: bool) -> None:
    expected = read_epochs(make_loader(), [0, 1, 2])
    actual = read_epochs(make_loader(workers=2, persistent=persistent), [0, 1, 2])
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_samples_of_later_epochs_come_from_another_dataset() -> None:
    """Workers that outlive an epoch follow; the numbers of the other epochs stay."""

    class Negative(Noise):
        def __getitem__(self, index: int) -> torch.Tensor:
            return -super().__getitem__(index)

    plain = read_epochs(make_loader(), [0, 1, 2, 3])
    expected = torch.cat([plain[:2], -plain[2:]])
    for workers in (0, 2):
        dataset = SeededSamples(Noise(), seed=0, later=(2, Negative()))
        loader = make_loader(workers=workers, persistent=workers > 0, dataset=dataset)
        read = read_epochs(loader, [0, 1, 2, 3])
        torch.testing.assert_close(read, expected, rtol=0, atol=0)
    torch.testing.assert_close(dataset[4], dataset[0, 4], rtol=0, atol=0)


def test_an_epoch_does_not_depend_on_those_before_it() -> None:
    loader = make_loader()
    torch.rand(5)
    third = read_epochs(loader, [2])
    torch.testing.assert_close(read_epochs(make_loader(), [0, 1, 2])[2:], third, rtol=0, atol=0)


def test_seeds_differ_and_do_not_follow_each_other() -> None:
    zero = read_epochs(make_loader(seed=0), [0, 1])
    one = read_epochs(make_loader(seed=1), [0, 1])
    orders = [tuple(epoch[:, 0].tolist()) for epoch in (*zero, *one)]
    assert len(set(orders)) == 4
    assert not set(zero[..., 1].flatten().tolist()) & set(one[..., 1].flatten().tolist())


def test_the_global_generator_is_left_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    _ = SeededSamples(Noise(), seed=0)[3, 4]
    torch.testing.assert_close(torch.rand(4), expected, rtol=0, atol=0)


def test_a_failing_sample_leaves_the_generator_as_it_was() -> None:
    class Broken(Noise):
        def __getitem__(self, index: int) -> torch.Tensor:
            raise KeyError(index)

    before = torch.default_generator.get_state()
    with pytest.raises(KeyError):
        _ = SeededSamples(Broken(), seed=0)[0, 0]
    assert torch.equal(torch.default_generator.get_state(), before)


def test_a_plain_index_means_epoch_0() -> None:
    samples = SeededSamples(Noise(), seed=3)
    torch.testing.assert_close(samples[7], samples[0, 7], rtol=0, atol=0)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_an_epoch(count: int) -> None:
    shares = [list(EpochSampler(Noise(), seed=0, rank=rank, count=count)) for rank in range(count)]
    assert len({len(share) for share in shares}) == 1
    assert {key for share in shares for key in share} == {(0, i) for i in range(COUNT)}
    assert sum(map(len, shares)) < COUNT + count  # repeated only to fill up


@pytest.mark.parametrize("count", [1, 2])
def test_a_resumed_epoch_goes_on_where_it_was(count: int) -> None:
    for rank in range(count):
        sampler = EpochSampler(Noise(), seed=0, rank=rank, count=count)
        sampler.set_epoch(3)
        whole = list(sampler)
        sampler.set_epoch(4)
        following = list(sampler)
        resumed = EpochSampler(Noise(), seed=0, rank=rank, count=count)
        resumed.resume(3, 2)
        assert list(resumed) == whole[2:]
        assert len(resumed) == len(whole)
        resumed.set_epoch(4)
        assert list(resumed) == following  # nothing is left out of the next epoch


@pytest.mark.parametrize("count", [1, 3])
def test_repeated_augmentation_draws_each_image_anew(count: int) -> None:
    shares = [
        list(EpochSampler(Noise(), seed=0, rank=rank, count=count, repeats=3))
        for rank in range(count)
    ]
    keys = [key for row in zip(*shares, strict=True) for key in row][:COUNT]
    assert len(set(keys)) == COUNT
    assert [repeat for _, _, repeat in keys] == [i % 3 for i in range(COUNT)]
    # Eleven samples are the first four images of the plain order, repeated.
    plain = [index for _, index in EpochSampler(Noise(), seed=0)]
    assert [index for _, index, _ in keys] == [plain[i // 3] for i in range(COUNT)]
    samples = SeededSamples(Noise(), seed=0)
    assert len({samples[key][1].item() for key in keys}) == COUNT
    if count == 3:  # the draws of an image go to different processes
        assert [key[1] for key in shares[0][:3]] == [key[1] for key in shares[1][:3]]


def test_repeated_augmentation_is_timms() -> None:
    from timm.data.distributed_sampler import RepeatAugSampler

    length, count = 1024, 2
    for rank in range(count):
        theirs = RepeatAugSampler(range(length), num_replicas=count, rank=rank, num_repeats=3)
        ours = EpochSampler(range(length), seed=0, rank=rank, count=count, repeats=3)
        # Another shuffle, but the same pattern of repeats and the same length.
        first = {index: i for i, index in reversed(list(enumerate(theirs)))}
        pattern = [first[index] for index in theirs]
        mine = [index for _, index, _ in ours]
        first = {index: i for i, index in reversed(list(enumerate(mine)))}
        assert [first[index] for index in mine] == pattern


class Ranges(Dataset[dict]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __getitem__(self, index: int) -> dict:
        return {"value": 10 * index}

    def __len__(self) -> int:
        return self.length


@examples(200)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 5))
def test_evaluation_counts_every_sample_once_in_as_many_batches(
    length: int, batch_size: int, count: int
) -> None:
    samples = CountedSamples(Ranges(length))
    counted, batches = [], set()
    for rank in range(count):
        sampler = EvaluationSampler(Ranges(length), batch_size=batch_size, rank=rank, count=count)
        keys = list(sampler)
        assert len(sampler) == len(keys)
        batches.add(math.ceil(len(keys) / batch_size))
        read = [samples[key] for key in keys]
        assert all(sample["value"] == 10 * sample["index"] for sample in read)
        counted += [sample["index"] for sample in read if "repeated" not in sample]
        # What fills up has a batch of its own.
        extra = [i for i, sample in enumerate(read) if "repeated" in sample]
        assert extra in ([], [len(read) - 1])
        assert not extra or extra[0] % batch_size == 0
    assert sorted(counted) == list(range(length))
    assert len(batches) == 1
