import copy
import pickle

import pytest
import torch
from helpers.graphs import CountingCompiler
from torch import Tensor, nn

from vision.layers.compiled_blocks import CompiledBlocks, kind_of
from vision.layers.drop_path import DropPath


class Block(nn.Module):
    def __init__(self, dim: int = 4, *, rate: float = 0.0, shifted: bool = False) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        self.drop_path = DropPath(rate)
        self.shifted = shifted

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.fc(x.roll(1, 1) if self.shifted else x))


def test_blocks_of_a_kind_share_their_graphs(compiler: CountingCompiler) -> None:
    compiled = CompiledBlocks()
    blocks = [Block(rate=rate) for rate in (0.1, 0.2, 0.3, 0.4)]
    x = torch.randn(2, 3, 4)
    for block in blocks:
        block.eval()
        torch.testing.assert_close(compiled(block, x), block(x))
    assert (len(compiled), len(compiler.graphs)) == (1, 1)
    # Other weights of the same block are seen.
    nn.init.zeros_(blocks[0].fc.weight)
    torch.testing.assert_close(compiled(blocks[0], x), x + blocks[0].fc.bias)
    # Rates of stochastic depth differ within a graph too.
    for block in blocks:
        compiled(block.train(), x)
    assert len(compiler.graphs) == 2
    # A graph of all sizes follows that of the first one.
    for count in range(2, 14):
        compiled(blocks[0].eval(), torch.randn(2, count, 4))
    assert len(compiler.graphs) == 3


def test_stochastic_depth_keeps_its_rate(compiler: CountingCompiler) -> None:
    compiled = CompiledBlocks()
    x = torch.ones(4000, 1, 4)
    for rate in (0.25, 0.5):
        block = Block(rate=rate).train()
        branch = compiled(block, x) - x
        kept = branch.abs().sum(dim=(1, 2)) > 0
        assert abs(kept.float().mean() - (1 - rate)) < 0.03
        torch.testing.assert_close(branch[kept], (block.fc(x) / (1 - rate))[kept])


@pytest.mark.parametrize(
    "other", [Block(8), Block(shifted=True), Block(rate=0.1), nn.Sequential(Block())]
)
def test_kinds_differ_by_shapes_and_settings(other: nn.Module) -> None:
    assert kind_of(Block()) == kind_of(Block())
    assert kind_of(Block(rate=0.1)) == kind_of(Block(rate=0.2))
    assert kind_of(other) != kind_of(Block())


def test_more_kinds_than_one_function_may_have_are_compiled(compiler: CountingCompiler) -> None:
    compiled = CompiledBlocks()
    for dim in range(1, 11):
        compiled(Block(dim).eval(), torch.randn(1, 2, dim))
    assert len(compiled) == len(compiler.graphs) == 10


def test_copies_have_no_programs() -> None:
    compiled = CompiledBlocks()
    compiled._of_kind["kind"] = lambda block: None
    assert not len(copy.deepcopy(compiled))
    assert not len(pickle.loads(pickle.dumps(compiled)))
