"""Constants made once per size."""

import copy
import pickle

import torch
import torch._dynamo.testing
from torch import Tensor, nn

from vision.layers.size_cache import SizeCache


class Builder:
    """Counts how often it is called."""

    def __init__(self, length: int = 3) -> None:
        self.calls = 0
        self.length = length

    def __call__(self) -> Tensor:
        self.calls += 1
        return torch.arange(float(self.length))


def test_each_key_is_built_once() -> None:
    cache, build, other = SizeCache(), Builder(), Builder(5)
    first = cache.get(("mask", 3), build)
    assert cache.get(("mask", 3), build) is first
    assert build.calls == 1
    assert len(cache.get(("mask", 5), other)) == 5
    assert len(cache) == 2


def test_the_least_recently_used_entry_goes_first() -> None:
    cache, builders = SizeCache(maximum=2), {key: Builder() for key in "abc"}
    for key in "aba":
        cache.get(key, builders[key])
    cache.get("c", builders["c"])
    for key in "ab":
        cache.get(key, builders[key])
    assert len(cache) == 2
    assert {key: build.calls for key, build in builders.items()} == {"a": 1, "b": 2, "c": 1}


def test_an_entry_made_in_inference_mode_serves_training() -> None:
    cache = SizeCache()
    with torch.inference_mode():
        cache.get("mask", Builder())
    weight = torch.ones(3, requires_grad=True)
    (weight * cache.get("mask", Builder())).sum().backward()
    assert torch.equal(weight.grad, torch.arange(3.0))


def test_entries_carry_no_gradient() -> None:
    weight = torch.ones(3, requires_grad=True)
    assert not SizeCache().get("mask", lambda: weight * 2).requires_grad


def test_copies_and_pickles_are_empty() -> None:
    cache = SizeCache(maximum=7)
    cache.get("mask", Builder())
    for twin in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert len(twin) == 0
        assert twin.maximum == 7
    assert len(cache) == 1


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cache = SizeCache()

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[0]
        ramp = self.cache.get(length, lambda: torch.arange(length, device=x.device))
        return x * ramp


def test_compiling_builds_in_the_graph_and_keeps_nothing() -> None:
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("eager")
    model = Masked()
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    for length in (4, 5, 9, 17):
        assert torch.equal(compiled(torch.ones(length)), torch.arange(float(length)))
    assert counter.frame_count == 1
    assert len(model.cache) == 0
    assert not model.state_dict()
