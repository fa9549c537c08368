"""Four processes train as one does, and what they send is what the model of a step takes it for."""

import json
from typing import Any

import pytest
import torch
from helpers.forked import TESTS, start_forked
from helpers.spread_training import FAMILIES, STRATEGIES, build, draw_batch, train

from vision.optim.fsdp2 import unit_names

Answer = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """Weights and collectives of four processes, by family and strategy."""
    folder = tmp_path_factory.mktemp("spread")
    script = TESTS / "helpers" / "spread_training.py"
    for done in start_forked(script, str(folder), folder=folder, ranks=4).wait():
        assert done.returncode == 0, done.stdout + done.stderr
    weights = torch.load(folder / "weights.pt", weights_only=True)
    return weights, json.loads((folder / "sent.json").read_text())


@pytest.mark.parametrize("family", FAMILIES)
def test_four_processes_train_as_one(answer: Answer, family: str) -> None:
    model = build(family)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train(model, *draw_batch())
    expected = model.state_dict()
    assert any(not torch.equal(before[key], expected[key]) for key in before)
    for strategy in STRATEGIES:
        found = answer[0][f"{family} {strategy}"]
        assert found.keys() == expected.keys()
        torch.testing.assert_close(found, dict(expected), rtol=1e-9, atol=1e-11)


def test_ddp_sends_each_gradient_once(answer: Answer) -> None:
    for family in FAMILIES:
        size = sum(parameter.nbytes for parameter in build(family).parameters())
        ((kind, _, sent),) = answer[1][f"{family} ddp"]
        assert (kind, sent) == ("all-reduce", size)


def test_fsdp2_gathers_blocks_twice_and_scatters_gradients_once(answer: Answer) -> None:
    model = build("convnext")  # all of whose parameters four processes share evenly
    names = unit_names(model.backbone)
    size = sum(parameter.nbytes for parameter in model.parameters())
    blocks = sum(
        parameter.nbytes
        for name in names
        for parameter in model.backbone.get_submodule(name).parameters()
    )
    assert answer[1]["convnext fsdp2"] == [
        ["all-gather", 2 * len(names) + 1, size + blocks],
        ["reduce-scatter", len(names) + 1, size],
    ]
