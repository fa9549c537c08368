"""What is special about Swin; its contract and parity are tested with the other families."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.backbones.swin import PatchMerging, Swin, WindowAttention
from vision.errors import ConfigError
from vision.layers.window import relative_position_index

TINY = {"dim": 8, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4}


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def images_of(*size: int) -> Tensor:
    return torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))


def literal_attention(attn: WindowAttention, x: Tensor, window: int, shift: int) -> Tensor:
    """Attention between all positions of the padded map `(H, W, C)`, all but windows masked."""
    height, width, dim = x.shape
    rows, columns = -(-height // window) * window, -(-width // window) * window
    x = F.pad(x, (0, 0, 0, columns - width, 0, rows - height)).flatten(0, 1)  # (P, C)
    y, place = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns
    # Row and column of each position on the shifted map.
    v, u = (y - shift) % rows, (place - shift) % columns
    same_window = (v[:, None] // window == v // window) & (u[:, None] // window == u // window)
    wrapped = (v[:, None] - v != y[:, None] - y) | (u[:, None] - u != place[:, None] - place)

    heads = attn.num_heads
    q, k, value = attn.qkv(x).view(-1, 3, heads, dim // heads).permute(1, 2, 0, 3)
    scores = (q * attn.scale) @ k.transpose(-2, -1)  # (heads, P, P)
    side = round(attn.relative_position_bias_table.shape[0] ** 0.5)
    centre = side // 2
    index = (v[:, None] - v + centre) * side + u[:, None] - u + centre
    bias = attn.relative_position_bias_table[index.clamp(0, side**2 - 1)].permute(2, 0, 1)
    scores = scores + bias - 100.0 * wrapped
    scores = scores.masked_fill(~same_window, -torch.inf)
    out = (scores.softmax(-1) @ value).transpose(0, 1).flatten(1)
    return attn.proj(out).view(rows, columns, dim)[:height, :width]


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (40, 36), (36, 64)])
@pytest.mark.parametrize("shifted", [False, True])
def test_attention_in_windows_is_masked_attention(size: tuple[int, int], shifted: bool) -> None:
    model = randomised(Swin(**TINY))
    attn = model.stages[0][0].attn
    plan = model._plan(images_of(*size), 0, classifier=False)
    x = torch.randn(1, size[0] // 4, size[1] // 4, 8)
    expected = literal_attention(attn, x[0], 4, 2 if shifted else 0)
    torch.testing.assert_close(attn(x, plan, shifted=shifted)[0], expected)


@torch.no_grad()
def test_the_classifier_uses_the_centre_of_a_table_for_a_smaller_map() -> None:
    large = randomised(Swin(**{**TINY, "window_size": 6}))
    small = Swin(**{**TINY, "window_size": 4}).eval()
    state = large.state_dict()
    for name, table in state.items():
        if name.endswith("bias_table"):
            state[name] = table.view(11, 11, -1)[2:9, 2:9].flatten(0, 1)
    small.load_state_dict(state)
    # Maps of 8 x 8 and 4 x 4: the second stage is smaller than the larger window.
    maps = [model.forward_stages(images_of(32, 32), 2, classifier=True) for model in (large, small)]
    assert not torch.allclose(maps[0][0], maps[1][0])
    x = maps[0][0].permute(0, 2, 3, 1)
    results = []
    for model in (large, small):
        plan = model._plan(images_of(32, 32), 1, classifier=True)
        assert (plan.window, plan.shift) == ((4, 4), (0, 0))
        y = model.merges["1"](x, plan.size)
        for block in model.stages[1]:
            y = block(y, plan)
        results.append(y)
    torch.testing.assert_close(results[0], results[1])


@torch.no_grad()
def test_the_dense_variant_shifts_where_the_classifier_does_not() -> None:
    model = randomised(Swin(**TINY))
    images = images_of(32, 32)  # maps of 8 x 8 and 4 x 4, the window's side
    dense = model.forward_stages(images, 2)
    classifier = model.forward_stages(images, 2, classifier=True)
    assert torch.equal(dense[0], classifier[0])
    assert not torch.allclose(dense[1], classifier[1], atol=1e-3)
    for block in model.stages[1]:
        block.shifted = False
    assert torch.equal(model.forward_stages(images, 2)[1], classifier[1])


def test_tables_of_the_classifier_fit_its_image_size() -> None:
    model = Swin(dim=8, num_heads=(1, 2, 4, 8), img_size=(128, 96))
    sides = [stage[0].attn.relative_position_bias_table.shape[0] ** 0.5 for stage in model.stages]
    # Maps of 32 x 24, 16 x 12, 8 x 6 and 4 x 3 against a window of 7.
    assert sides == [13, 13, 11, 5]


@torch.no_grad()
@pytest.mark.parametrize("size", [(40, 40), (48, 64)])
def test_positions_are_resized_to_the_map(size: tuple[int, int]) -> None:
    model = randomised(Swin(**TINY, ape=True, img_size=40))
    other = Swin(**TINY, ape=True, img_size=size).eval()
    grid = model.absolute_pos_embed.view(1, 10, 10, 8).permute(0, 3, 1, 2)
    resized = F.interpolate(grid, (size[0] // 4, size[1] // 4), mode="bicubic")
    state = {**model.state_dict(), "absolute_pos_embed": resized.flatten(2).transpose(1, 2)}
    other.load_state_dict(state)
    for x, y in zip(model(images_of(*size)), other(images_of(*size)), strict=True):
        torch.testing.assert_close(x, y)


@torch.no_grad()
def test_the_classifier_drops_what_does_not_fill_a_patch() -> None:
    model = randomised(Swin(**TINY))
    images = images_of(43, 50)
    torch.testing.assert_close(model.embed(images), model.embed(images[:, :, :40, :48]))


@torch.no_grad()
def test_merging_orders_neighbours_as_published() -> None:
    merge = PatchMerging(1)
    merge.norm = torch.nn.Identity()
    merge.reduction = torch.nn.Identity()
    x = torch.arange(1.0, 7.0).view(1, 2, 3, 1)
    assert merge(x, (1, 2)).flatten(0, 2).tolist() == [[1, 4, 2, 5], [3, 6, 0, 0]]


def test_tables_and_positions_have_no_weight_decay() -> None:
    names = Swin(**TINY, ape=True).no_weight_decay()
    assert "absolute_pos_embed" in names
    assert "stages.1.0.attn.relative_position_bias_table" in names
    assert len(names) == 5


@pytest.mark.parametrize("options", [{"num_heads": (3, 4)}, {"num_heads": (2, 4, 8)}])
def test_heads_that_do_not_fit_are_refused(options: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match="num_heads"):
        Swin(**{**TINY, **options})


def test_index_is_made_once_for_all_sizes() -> None:
    model = Swin(**TINY)
    with torch.no_grad():
        model(images_of(40, 40))
    count = len(model.cache)
    with torch.no_grad():
        model(images_of(37, 39))  # the same windows
    assert len(model.cache) == count
    assert torch.equal(
        model._plan(images_of(40, 40), 0, classifier=False).positions,
        relative_position_index((4, 4), (4, 4)),
    )
