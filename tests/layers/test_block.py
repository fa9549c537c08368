import torch
from torch import Tensor, nn

from vision.layers.block import PreNormBlock


class Scale(nn.Module):
    def forward(self, x: Tensor, factor: float, *, norm: nn.Module) -> Tensor:
        return factor * norm(x)


def test_each_branch_reads_the_norm_and_is_added() -> None:
    torch.manual_seed(0)
    block = PreNormBlock(6, attn=Scale(), mlp_ratio=2)
    x = torch.randn(2, 3, 4, 6)
    after_attention = x + 0.5 * nn.functional.layer_norm(x, (6,))
    expected = after_attention + block.mlp(nn.functional.layer_norm(after_attention, (6,)))
    torch.testing.assert_close(block(x, 0.5), expected)
    assert block.mlp.fc1.out_features == 12


def test_a_sample_keeps_or_loses_both_branches_apart() -> None:
    torch.manual_seed(0)
    block = PreNormBlock(4, attn=Scale(), drop_path=0.5).train()
    for parameter in block.mlp.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(200, 1, 4)
    kept = (block(x, 1.0) != x).flatten(1).any(dim=1)
    assert 0.3 < kept.float().mean() < 0.7
