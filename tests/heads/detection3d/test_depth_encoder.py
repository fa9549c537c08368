"""The depth encoder against PyTorch's layer, and its codes of depth."""

import torch
from torch import nn

from vision.heads.detection3d.depth_encoder import DepthEncoder


def encoder(dropout: float = 0.0) -> DepthEncoder:
    torch.manual_seed(0)
    return DepthEncoder(8, num_heads=2, hidden_dim=12, max_depth=4.5, dropout=dropout)


@torch.no_grad()
def test_without_positions_it_is_a_layer_of_pytorch() -> None:
    ours = encoder().eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True).eval()
    state = ours.state_dict()
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": state["attention.qkv.weight"],
            "self_attn.in_proj_bias": state["attention.qkv.bias"],
            "self_attn.out_proj.weight": state["attention.output.weight"],
            "self_attn.out_proj.bias": state["attention.output.bias"],
            **{
                f"{there}.{part}": state[f"{here}.{part}"]
                for there, here in (
                    ("linear1", "mlp.fc1"),
                    ("linear2", "mlp.fc2"),
                    ("norm1", "norm1"),
                    ("norm2", "norm2"),
                )
                for part in ("weight", "bias")
            },
        }
    )
    features, depth = torch.randn(2, 8, 3, 4), torch.rand(2, 3, 4) * 4
    cells = features.flatten(2).transpose(1, 2)
    found, code = ours(features, torch.zeros(12, 8), depth)
    torch.testing.assert_close(found - code, theirs(cells), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(code, ours.code(depth.flatten(1)))


@torch.no_grad()
def test_codes_between_metres_and_beyond_the_ends() -> None:
    table = (layer := encoder()).table
    assert table.shape == (5, 8)
    found = layer.code(torch.tensor([0.0, 1.0, 1.25, 4.2, 9.0, -1.0]))
    expected = [
        table[0],
        table[1],
        0.75 * table[1] + 0.25 * table[2],
        # There is no metre 5: the last one serves for both.
        table[4],
        table[4],
        table[0],
    ]
    torch.testing.assert_close(found, torch.stack(expected))
