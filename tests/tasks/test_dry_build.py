"""What a file asks for is made without memory first, and only as large as its tensors."""

import threading

import pytest
import torch
from helpers.refusals import refuses
from torch import nn

from vision.errors import CheckpointError
from vision.tasks.dry_build import dry_build

STATE = nn.Linear(3, 2).state_dict()


def test_what_fits_is_built_without_memory() -> None:
    made: list[nn.Module] = []

    def build() -> nn.Module:
        made.append(nn.Linear(3, 2))
        return made[-1]

    dry_build(build, STATE)
    assert made[0].weight.is_meta
    assert not nn.Linear(3, 2).weight.is_meta


def test_layers_without_end_are_given_up() -> None:
    count = 0

    def build() -> nn.Module:
        nonlocal count
        whole = nn.Sequential()
        while True:
            count += 1
            whole.append(nn.Linear(3, 2))

    with refuses(CheckpointError, "larger", "2 tensors"):
        dry_build(build, STATE)
    assert count < 10_000
    # The limit is gone afterwards.
    assert len(nn.Sequential(*(nn.Identity() for _ in range(12_000)))) == 12_000


def test_a_layer_without_end_is_given_up() -> None:
    with pytest.raises(CheckpointError, match="larger than"):
        dry_build(lambda: nn.Linear(10**9, 10**9), STATE)


def test_other_tensors_are_named() -> None:
    for build, message in (
        (lambda: nn.Linear(3, 2, bias=False), r"also has 'bias' \(0 are missing, 1 too many"),
        (lambda: nn.Bilinear(3, 3, 2), r"'weight' is \(2, 3\) in it, .* needs \(2, 3, 3\)"),
    ):
        with pytest.raises(CheckpointError, match=message):
            dry_build(build, STATE)
    whole = {key: tensor.long() for key, tensor in STATE.items()}
    with refuses(CheckpointError, "'weight'", "torch.int64"):
        dry_build(lambda: nn.Linear(3, 2), whole)


def test_tables_beside_the_tensors_are_bounded() -> None:
    def build() -> nn.Module:
        module = nn.Linear(3, 2)
        for name in ("a", "b"):
            module.register_buffer(name, torch.empty(2**28 - 100), persistent=False)
        return module

    with pytest.raises(CheckpointError, match="larger than"):
        dry_build(build, STATE)


def test_other_threads_build_what_they_like() -> None:
    other: list[nn.Module] = []

    def build() -> nn.Module:
        thread = threading.Thread(
            target=lambda: other.append(nn.Sequential(*(nn.Identity() for _ in range(20_000))))
        )
        thread.start()
        thread.join()
        return nn.Linear(3, 2)

    dry_build(build, STATE)
    assert len(other[0]) == 20_000
