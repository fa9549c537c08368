"""TNT beyond the reference file: separate patches, padding, position tables, options, errors."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import nn
from torch.nn import functional as F

from vision import load_weights
from vision.backbones.tnt import TNT, Attention, ChannelGate
from vision.errors import ConfigError

SMALL: dict[str, Any] = {
    "dim": 24,
    "inner_dim": 8,
    "depth": 3,
    "num_heads": 3,
    "inner_num_heads": 2,
    "img_size": 64,
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def build(**overrides: Any) -> TNT:
    model = TNT(**{**SMALL, **overrides}).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, fan_in**-0.5, generator=generator)
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.add_(1)
    return model


@torch.no_grad()
def test_words_see_their_own_patch_alone() -> None:
    model = build()
    images = torch.randn(1, 3, 64, 64)
    changed = images.clone()
    changed[:, :, 16:32, 32:48] += 1  # patch in row 1, column 2: number 6 of 4 x 4
    before = model.forward_tokens(images)[0][0]
    after = model.forward_tokens(changed)[0][0]
    differs = (before != after).flatten(1).any(dim=1)
    assert differs.tolist() == [i == 6 for i in range(16)]


@torch.no_grad()
@pytest.mark.parametrize(("patch_size", "inner_stride"), [(16, 4), (16, 5), (8, 3), (12, 12)])
def test_number_of_words_is_rounded_up(patch_size: int, inner_stride: int) -> None:
    model = build(patch_size=patch_size, inner_stride=inner_stride)
    side = -(-patch_size // inner_stride)
    inner, outer = model.forward_tokens(torch.randn(2, 3, 48, 48))
    assert inner[0].shape == (2 * (48 // patch_size) ** 2, side**2, 8)
    assert outer[0].shape == (2, 1 + (48 // patch_size) ** 2, 24)


@torch.no_grad()
def test_padding_goes_right_and_bottom() -> None:
    model = build()
    images = torch.randn(2, 3, 50, 35)
    maps = model(images)
    assert maps[0].shape == (2, 24, 4, 3)
    assert torch.equal(maps[0], model(F.pad(images, (0, 13, 0, 14)))[0])


@torch.no_grad()
def test_running_at_another_size_is_resizing_the_table_first() -> None:
    model = build()
    resized = build(img_size=(48, 96))
    report = load_weights(resized, model.state_dict())
    assert list(report.resized) == ["outer_pos"]
    images = torch.randn(2, 3, 48, 96)
    torch.testing.assert_close(model.embed(images), resized.embed(images))


@torch.no_grad()
def test_a_constant_position_table_stays_constant_at_any_size() -> None:
    model = build()
    model.outer_pos.copy_(model.outer_pos[:, :1].clone())
    small = build(img_size=32)
    state = model.state_dict()
    state["outer_pos"] = state["outer_pos"][:, : 1 + 4]
    small.load_state_dict(state)
    images = torch.randn(2, 3, 70, 90)
    torch.testing.assert_close(model.embed(images), small.embed(images))


@torch.no_grad()
def test_maps_are_the_patch_tokens_of_the_chosen_blocks() -> None:
    model = build(out_indices=(0, 2))
    images = torch.randn(2, 3, 48, 64)
    outer = model.forward_tokens(images)[1]
    for x, i in zip(model(images), (0, 2), strict=True):
        assert torch.equal(x.flatten(2).transpose(1, 2), outer[i][:, 1:])
    torch.testing.assert_close(model.embed(images), model.norm(outer[2])[:, 0])


def test_one_map_of_the_last_block_is_the_default() -> None:
    model = build()
    assert model.out_indices == [2]
    assert model.feature_specs == ((24, 16),)


def test_dense_variant_trains_every_parameter() -> None:
    model = build(dense=True, out_indices=(0, 1), qkv_bias=True, se=1).train()
    assert len(model.blocks) == 2
    assert not any(name.startswith("norm.") for name, _ in model.named_parameters())
    maps = model(torch.randn(2, 3, 64, 64))
    sum((x * torch.randn_like(x)).sum() for x in maps).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 1e-4, name


@torch.no_grad()
def test_channel_gate_agrees_with_its_definition() -> None:
    gate = ChannelGate(8)
    assert gate.fc1.out_features == 2
    x = torch.randn(2, 5, 8)
    mean = F.layer_norm(x.sum(dim=1) / 5, (8,))
    hidden = (mean @ gate.fc1.weight.t() + gate.fc1.bias).clamp(min=0)
    scale = 1 + torch.tanh(hidden @ gate.fc2.weight.t() + gate.fc2.bias)
    torch.testing.assert_close(gate(x), x * scale[:, None])


@torch.no_grad()
def test_closed_gates_leave_the_model_as_without() -> None:
    plain, gated = build(), build(se=2)
    gates = gated.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert len(gates) == 3 * 6
    assert all(".outer.gate." in name for name in gates)
    images = torch.randn(2, 3, 64, 64)
    assert not torch.allclose(gated.embed(images), plain.embed(images), atol=1e-3)
    for name in gates:
        if ".fc2." in name:
            gated.get_parameter(name).zero_()
    torch.testing.assert_close(gated.embed(images), plain.embed(images))


@torch.no_grad()
def test_qk_scale_multiplies_the_scores() -> None:
    attn = Attention(8, num_heads=2, qk_scale=1e-9)
    x = torch.randn(2, 5, 8)
    # Equal scores average the values.
    values = (x @ attn.qkv.weight[16:].t()).mean(dim=1, keepdim=True).expand(-1, 5, -1)
    torch.testing.assert_close(attn(x), attn.proj(values), rtol=1e-4, atol=1e-6)
    half, default = Attention(8, num_heads=2, qk_scale=0.5), Attention(8, num_heads=2)
    default.load_state_dict(half.state_dict())
    torch.testing.assert_close(half(x), default(x))  # heads of width 4


def test_qk_scale_reaches_both_transformers() -> None:
    block = TNT(**SMALL, qk_scale=0.3).blocks[1]
    assert block.inner.attn.qk_scale == block.outer.attn.qk_scale == 0.3


def test_drop_path_rates_rise_over_the_blocks() -> None:
    model = TNT(**SMALL, drop_path_rate=0.2)
    for layer in ("inner", "outer"):
        rates = [getattr(block, layer).drop_path.rate for block in model.blocks]
        assert rates == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 5}, ("dim=24", "num_heads=5")),
        ({"inner_num_heads": 3}, ("inner_dim=8", "inner_num_heads=3")),
        ({"img_size": (64, 15)}, ("img_size=(64", "15", "patch_size=16")),
    ],
)
def test_options_that_cannot_work_are_refused(
    options: dict[str, Any], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        TNT(**{**SMALL, **options})
