"""FlatFormer beside the numbers of its parts; the authors' are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision import create_backbone
from vision.backbones import flatformer
from vision.backbones.flatformer import FlatFormer
from vision.errors import ConfigError
from vision.layers.multi_head_attention import MultiHeadAttention

TINY: dict[str, Any] = {
    "dim": 16,
    "num_heads": 2,
    "num_blocks": 1,
    "window_shape": (5, 4),
    "group_size": 12,
}
ROWS, COLUMNS = 24, 20


def build(**options: Any) -> FlatFormer:
    torch.manual_seed(0)
    model: Any = create_backbone("flatformer", **{**TINY, **options})
    return model


def pillars(*counts: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features, and cells sorted by sample, y, x."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for sample, count in enumerate(counts):
        cell = torch.randperm(ROWS * COLUMNS, generator=generator)[:count].sort().values
        row = torch.full_like(cell, sample)
        parts.append(torch.stack([row, 0 * cell, cell // COLUMNS, cell % COLUMNS], dim=1))
    coords = torch.cat(parts)
    return torch.randn(len(coords), TINY["dim"], generator=generator), coords


@torch.no_grad()
@pytest.mark.parametrize("short_group", ["copy", "mask"])
def test_a_batch_gives_what_its_samples_give(short_group: str) -> None:
    model = build(short_group=short_group).double().eval()
    counts = (37, 5, 24, 150)
    features, coords = pillars(*counts)
    features = features.double()
    whole = model(features, coords)
    torch.testing.assert_close(whole, model(features, coords, torch.tensor(counts)))
    start = 0
    for count in counts:
        part = slice(start, start + count)
        alone = coords[part].clone()
        alone[:, 0] = 0
        torch.testing.assert_close(model(features[part], alone), whole[part])
        start += count
    # A permutation of the pillars permutes what is found.
    order = torch.randperm(len(coords))
    torch.testing.assert_close(model(features[order], coords[order]), whole[order])


@torch.no_grad()
@pytest.mark.parametrize("counts", [(100,), (100, 5)])
def test_groups_are_computed_in_parts(
    counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build()
    features, coords = pillars(*counts)
    whole = model(features, coords)
    for places in (1, 30):
        monkeypatch.setattr(flatformer, "MAX_PLACES", places)
        torch.testing.assert_close(model(features, coords), whole)


@torch.no_grad()
def test_a_sample_with_fewer_pillars_than_a_group_is_one_group() -> None:
    features, coords = pillars(7)
    groups = [build(group_size=size).double()(features.double(), coords) for size in (7, 12, 144)]
    for found in groups[1:]:
        torch.testing.assert_close(found, groups[0])


@torch.no_grad()
def test_copies_and_masks_differ_only_where_the_last_group_is_short() -> None:
    features, coords = pillars(30)
    copied, masked = (build(short_group=how)(features, coords) for how in ("copy", "mask"))
    assert (copied - masked).abs().max() > 1e-2
    features, coords = pillars(24)
    copied, masked = (build(short_group=how)(features, coords) for how in ("copy", "mask"))
    torch.testing.assert_close(copied, masked)


def test_every_parameter_learns_and_recomputing_changes_no_gradient() -> None:
    features, coords = pillars(40, 9)
    grads = []
    for recomputed in (False, True):
        model = build(num_blocks=2).double()
        model.set_grad_checkpointing(recomputed)
        outputs = model(features.double(), coords)
        (outputs * torch.arange(outputs.numel()).view(outputs.shape).sin()).sum().backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    for plain, again in zip(*grads, strict=True):
        assert plain.any()
        torch.testing.assert_close(plain, again, rtol=1e-9, atol=1e-12)


def test_the_published_encoder_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model: Any = create_backbone("flatformer_128")
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_059_840
    assert all(parameter.is_meta for parameter in model.parameters())
    assert [*model.feature_specs] == [(128, 1)]
    names = [name for group in model.layer_groups() for name in group]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert len(model.layer_groups()) == 8
    assert not model.no_weight_decay()


def test_codes_of_places_may_count_parts_of_the_grid() -> None:
    _, coords = pillars(50)
    grid = (COLUMNS, ROWS, 1)
    model = build(dim=18, normalize_pos=True, sparse_shape=grid, pos_temperature=100)
    found = model.positions(coords)
    for i, (_, _, y, x) in enumerate(coords[:5].tolist()):
        for k in range(8):
            turn = torch.sin if k % 2 == 0 else torch.cos
            period = 100 ** (2 * (k // 2) / 8)
            for place, cells, column in ((x, COLUMNS, k), (y, ROWS, 8 + k)):
                angle = torch.tensor(place / cells * 2 * 3.1415 / period)
                torch.testing.assert_close(found[i, column], turn(angle), rtol=1e-4, atol=1e-5)
    assert not found[:, 16:].any()


@torch.no_grad()
def test_no_pillars_and_other_types() -> None:
    model = build(activation="relu").eval()
    features, coords = pillars(0)
    assert model(features, coords).shape == (0, 16)
    features, coords = pillars(60)
    plain = model(features, coords.int())
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(features, coords)
    torch.testing.assert_close(rough.float(), plain, rtol=0.1, atol=0.1)


@torch.no_grad()
def test_a_program_runs_for_any_number_of_pillars() -> None:
    model = build().eval()
    features, coords = pillars(100)
    number = torch.export.Dim("pillars", min=2, max=ROWS * COLUMNS)
    example = (features, coords, torch.tensor([100]))
    shapes = ({0: number}, {0: number}, None)
    program = torch.export.export(model, example, dynamic_shapes=shapes).module()
    for count in (5, 12, 301):
        features, coords = pillars(count, seed=count)
        inputs = (features, coords, torch.tensor([count]))
        torch.testing.assert_close(program(*inputs), model(*inputs), rtol=1e-4, atol=1e-5)


def test_initial_matrices_are_of_xaviers_range() -> None:
    model = build(dim=64)
    attention = next(part for part in model.modules() if isinstance(part, MultiHeadAttention))
    for weight in (attention.qkv.weight, attention.output.weight):
        limit = (6 / sum(weight.shape)) ** 0.5
        assert weight.abs().max().item() == pytest.approx(limit, rel=0.02)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"activation": "glu"}, ["activation='glu'", "gelu"]),
        ({"window_shape": (5, 5, 2)}, ["window_shape=[5, 5, 2]"]),
        ({"window_shape": (5, 0)}, ["window_shape=[5, 0]"]),
        ({"short_group": "drop"}, ["short_group='drop'", "copy"]),
        ({"dim": 18, "num_heads": 4}, ["dim=18", "num_heads=4"]),
        ({"sparse_shape": (20, 24)}, ["sparse_shape"]),
        ({"group_size": 0}, ["group_size=0"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: list[str]) -> None:
    with refuses(ConfigError, *said):
        build(**options)


def test_pillars_of_another_form_are_refused() -> None:
    features, coords = pillars(6)
    with refuses(ConfigError, "(N, 16)", "(6, 8)"):
        build()(features[:, :8], coords)
    with refuses(ConfigError, "sample, z, y, x", "(6, 3)"):
        build()(features, coords[:, 1:])
