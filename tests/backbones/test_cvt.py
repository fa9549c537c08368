"""CvT beyond the reference file: class tokens, projections, batch of one, gradients, errors."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.cvt import ConvAttention, CvT, QuickGELU
from vision.errors import ConfigError

SMALL: dict[str, Any] = {"dims": (8, 16, 24), "depths": (1, 1, 2), "num_heads": (1, 2, 3)}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def randomise(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, fan_in**-0.5, generator=generator)
        for module in model.modules():
            if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
                module.weight.add_(1)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


def literal_attention(attn: ConvAttention, tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Section 3.2 spelt out head by head, for one image `(N, C)`."""
    first = attn.num_class_tokens
    grid = tokens[first:].t().reshape(1, -1, *size)
    projected = []
    for name in ("query", "key", "value"):
        conv, linear = getattr(attn, f"{name}_conv"), getattr(attn, name)
        if isinstance(conv, nn.Sequential):
            stride = 1 if name == "query" else 2
            x = F.conv2d(grid, conv.conv.weight, stride=stride, padding=1, groups=grid.shape[1])
            norm = conv.norm
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        elif name == "query":
            x = grid
        else:
            x = F.avg_pool2d(grid, 3, stride=2, padding=1, ceil_mode=True)
        projected.append(linear(torch.cat([tokens[:first], x[0].flatten(1).t()])))
    query, key, value = projected
    width = query.shape[1] // attn.num_heads
    outputs = []
    for head in range(attn.num_heads):
        part = slice(head * width, (head + 1) * width)
        scores = query[:, part] @ key[:, part].t() / tokens.shape[1] ** 0.5
        outputs.append(scores.softmax(dim=1) @ value[:, part])
    return attn.proj(torch.cat(outputs, dim=1))


@torch.no_grad()
@pytest.mark.parametrize("projection", ["dw_bn", "avg"])
@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("size", [(5, 6), (4, 7), (1, 1)])
def test_attention_agrees_with_its_definition(
    projection: Any, class_token: bool, size: tuple[int, int]
) -> None:
    attn = ConvAttention(12, num_heads=3, class_token=class_token, projection=projection)
    randomise(attn).eval()
    tokens = torch.randn(2, int(class_token) + size[0] * size[1], 12)
    expected = torch.stack([literal_attention(attn, item, size) for item in tokens])
    torch.testing.assert_close(attn(tokens, size), expected, rtol=1e-5, atol=1e-5)


PLACEMENTS = [(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]


@torch.no_grad()
@pytest.mark.parametrize("projection", ["dw_bn", "avg", ("avg", "dw_bn", "avg")])
@pytest.mark.parametrize("class_token", PLACEMENTS)
def test_any_placement_of_class_tokens(class_token: tuple[bool, ...], projection: Any) -> None:
    model = randomise(CvT(**SMALL, class_token=class_token, projection=projection)).eval()
    tokens = [name for name, _ in model.named_parameters() if name.endswith("class_token")]
    assert tokens == [f"embeds.{i}.class_token" for i in range(3) if class_token[i]]
    assert model.no_weight_decay() == set(tokens)
    images = torch.randn(2, 3, 37, 52)
    assert [x.shape[1:] for x in model(images)] == [(8, 9, 13), (16, 5, 7), (24, 3, 4)]
    alone = model.embed(images[:1])
    assert alone.shape == (1, 24)
    torch.testing.assert_close(alone, model.embed(images)[:1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_without_a_last_class_token_the_normalised_tokens_are_averaged() -> None:
    model = randomise(CvT(**SMALL, class_token=(True, True, False))).eval()
    images = torch.randn(2, 3, 40, 40)
    tokens = model(images)[-1].flatten(2).transpose(1, 2)  # (B, N, C)
    expected = F.layer_norm(tokens, (24,), model.norm.weight, model.norm.bias).mean(dim=1)
    torch.testing.assert_close(model.embed(images), expected)


@torch.no_grad()
def test_the_class_token_is_read_from_the_last_stage_and_changes_earlier_maps() -> None:
    model = randomise(CvT(**SMALL, class_token=(True, False, True))).eval()
    images = torch.randn(1, 3, 32, 32)
    maps, embedding = model(images), model.embed(images)
    model.embeds[0].class_token.mul_(-1)
    assert not torch.allclose(model(images)[0], maps[0])
    model.embeds[0].class_token.mul_(-1)
    model.embeds[2].class_token.mul_(-1)
    assert torch.equal(model(images)[1], maps[1])
    assert not torch.allclose(model.embed(images), embedding)


@pytest.mark.parametrize("class_token", [(False, False, True), (False, False, False)])
def test_dense_variant_trains_every_parameter(class_token: tuple[bool, ...]) -> None:
    model = randomise(CvT(**SMALL, class_token=class_token, dense=True)).train()
    assert not any(name.startswith("norm.") for name, _ in model.named_parameters())
    maps = model(torch.randn(2, 3, 64, 64))
    sum((x * torch.randn_like(x)).sum() for x in maps).backward()
    for name, parameter in model.named_parameters():
        # A bias on all keys alike shifts the scores of a query equally; the softmax removes it.
        # The key's batch-norm bias leaves a class token's key as it is and so does count there.
        has_class_token = name.startswith("stages.2.") and class_token[2]
        on_keys = name.endswith(("attn.key.bias", "key_conv.norm.bias"))
        if on_keys and not (has_class_token and "norm" in name):
            assert parameter.grad.abs().max() < 1e-4, name
        else:
            assert parameter.grad.abs().max() > 1e-4, name


def test_one_drop_path_rate_is_for_the_last_stage() -> None:
    model = CvT(**{**SMALL, "depths": (2, 2, 3)}, drop_path_rate=0.4)
    rates = [[block.drop_path.rate for block in blocks] for blocks in model.stages]
    assert rates[:2] == [[0, 0], [0, 0]]
    assert rates[2] == pytest.approx([0, 0.2, 0.4])
    model = CvT(**{**SMALL, "depths": (2, 2, 3)}, drop_path_rate=(0.1, 0.2, 0))
    assert [blocks[-1].drop_path.rate for blocks in model.stages] == pytest.approx([0.1, 0.2, 0])


def test_dropout_rates_are_per_stage() -> None:
    model = CvT(**SMALL, drop_rate=(0.1, 0.2, 0.3), attn_drop_rate=(0.4, 0.5, 0.6))
    for i in range(3):
        drop = (i + 1) / 10
        assert model.embeds[i].dropout.p == pytest.approx(drop)
        assert model.stages[i][0].attn.dropout.p == pytest.approx(drop)
        assert model.stages[i][0].mlp.dropout.p == pytest.approx(drop)
        assert model.stages[i][0].attn.attn_dropout == pytest.approx(drop + 0.3)


def test_strides_multiply_for_any_number_of_stages() -> None:
    model = CvT(
        dims=(8, 16),
        depths=(1, 1),
        num_heads=(1, 2),
        patch_sizes=(7, 5),
        patch_strides=(4, 3),
        patch_paddings=(3, 2),
        class_token=False,
    )
    assert [spec.stride for spec in model.feature_specs] == [4, 12]
    assert [x.shape[2:] for x in model(torch.zeros(2, 3, 48, 60))] == [(12, 15), (4, 5)]


def test_activation_is_the_quick_gelu_unless_asked_otherwise() -> None:
    # 1.702 makes x * sigmoid(1.702 x) near the exact GELU: 0.8458 for 0.8413 at x = 1.
    torch.testing.assert_close(
        QuickGELU()(torch.tensor(1.0)), torch.tensor(0.845796), rtol=1e-5, atol=0
    )
    assert isinstance(CvT(**SMALL).stages[0][0].mlp.act, QuickGELU)
    assert isinstance(CvT(**SMALL, act="gelu").stages[0][0].mlp.act, nn.GELU)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection": "linear"}, ("'linear'", "dw_bn")),
        ({"act": "relu"}, ("act='relu'", "quick_gelu")),
        ({"num_heads": (1, 3, 3)}, ("dims=16", "num_heads=3")),
        ({"stride_q": (1, 1, 2)}, ("stride_q=2",)),
        ({"kernel_qkv": 5, "padding_kv": 2}, ("padding_q=1", "kernel_qkv=5")),
        ({"depths": (1, 1)}, ("depths=(1", "2 values", "3 stages")),
    ],
)
def test_options_that_cannot_work_are_refused(
    options: dict[str, Any], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        CvT(**{**SMALL, **options})
