"""The contract of `vision.backbones.base`, held by every family at small sizes."""

import copy
import pickle
from typing import get_args

import pytest
import torch
from helpers.properties import examples
from helpers.tiny_models import TINY, build, images_of, randomise
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from vision.backbones.base import Backbone
from vision.backbones.encoder import MemoryMode
from vision.errors import ConfigError

SIDE = st.integers(min_value=32, max_value=100)
FAMILIES = sorted(TINY)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def backbone(family: str) -> Backbone:
    return randomise(build(family)).eval()


@torch.no_grad()
@examples(8)
@given(height=SIDE, width=SIDE)
def test_maps_have_the_promised_shapes_at_any_size(
    backbone: Backbone, height: int, width: int
) -> None:
    maps = backbone(images_of(height, width))
    assert len(maps) == len(backbone.feature_specs)
    for x, spec in zip(maps, backbone.feature_specs, strict=True):
        assert x.shape[:2] == (1, spec.channels)
        for side, pixels in zip(x.shape[2:], (height, width), strict=True):
            assert abs(side - pixels / spec.stride) < 1.0
        assert x.isfinite().all()


@torch.no_grad()
@examples(4)
@given(height=SIDE, width=SIDE)
def test_a_batch_of_one_equals_a_batch_of_many(backbone: Backbone, height: int, width: int) -> None:
    # In float64: in float32 kernels for another batch size round otherwise, by more than 1e-5.
    backbone = copy.deepcopy(backbone).double()
    images = images_of(height, width, batch=3).double()
    whole, embedded = backbone(images), backbone.embed(images)
    alone = backbone(images[1:2])
    for x, y in zip(whole, alone, strict=True):
        torch.testing.assert_close(x[1:2], y, rtol=1e-9, atol=1e-9)
    assert embedded.shape == (3, backbone.embed_dim)
    torch.testing.assert_close(embedded[1:2], backbone.embed(images[1:2]), rtol=1e-9, atol=1e-9)


# On smaller images the last map is a single cell, whose attention has nothing to learn.
LEARNING_SIDE = st.integers(min_value=72, max_value=110)


@examples(4)
@given(height=LEARNING_SIDE, width=LEARNING_SIDE)
def test_gradients_reach_every_parameter_of_the_dense_variant(
    family: str, height: int, width: int
) -> None:
    model = randomise(build(family, dense=True)).train()
    loss = sum(weighted_sum(x) for x in model(images_of(height, width, batch=2)))
    check_gradients(model, loss)


@examples(4)
@given(height=LEARNING_SIDE, width=LEARNING_SIDE)
def test_gradients_reach_every_parameter_of_the_classifier(
    family: str, height: int, width: int
) -> None:
    model = randomise(build(family)).train()
    check_gradients(model, weighted_sum(model.embed(images_of(height, width, batch=2))))


def weighted_sum(x: Tensor) -> Tensor:
    """Weighs every value differently: the plain sum of a layer norm's outputs is constant."""
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(x.numel()))
    return (x * weights).sum()


def check_gradients(model: Backbone, loss: Tensor) -> None:
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not has_no_gradient_by_nature(model, name):
            assert parameter.grad.abs().max() > 0, name


def has_no_gradient_by_nature(model: Backbone, name: str) -> bool:
    """CvT: a bias on keys shifts all scores of a row alike, which the softmax removes; and the
    classifier reads only the class token of the last block, whose query passes no convolution."""
    if model.family != "cvt":
        return False
    key_bias = name.endswith(("attn.key.bias", "key_conv.norm.bias"))
    return key_bias or (not model.dense and "stages.2.1.attn.query_conv" in name)


@torch.no_grad()
def test_evaluation_is_repeatable(backbone: Backbone) -> None:
    images = images_of(50, 61)
    for x, y in zip(backbone(images), backbone(images), strict=True):
        assert torch.equal(x, y)


@torch.no_grad()
def test_chosen_maps_are_those_of_the_whole_pyramid(family: str) -> None:
    whole = randomise(build(family)).eval()
    count = len(whole.feature_specs)
    if count == 1:
        pytest.skip("a single map")
    chosen = build(family, out_indices=(0, count - 2)).eval()
    chosen.load_state_dict(whole.state_dict())
    images = images_of(48, 64)
    maps = whole(images)
    assert chosen.feature_specs == (whole.feature_specs[0], whole.feature_specs[count - 2])
    for x, y in zip(chosen(images), (maps[0], maps[count - 2]), strict=True):
        assert torch.equal(x, y)


def test_a_dense_backbone_has_nothing_beyond_its_last_map(family: str) -> None:
    full, dense = build(family), build(family, dense=True)
    with pytest.raises(ConfigError, match="dense=True"):
        dense.embed(images_of(32, 32))
    if len(full.feature_specs) > 1:
        shallow = build(family, dense=True, out_indices=(0, 1))
        count = sum(p.numel() for p in shallow.parameters())
        assert count < sum(p.numel() for p in dense.parameters()) / 2


@pytest.mark.parametrize("out_indices", [(), (1, 0), (0, 0), (9,), (-9,)])
def test_wrong_out_indices_are_refused(family: str, out_indices: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="out_indices"):
        build(family, out_indices=out_indices)


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 3, 64, 31), (3, 64, 64)])
def test_images_of_a_wrong_shape_are_refused(backbone: Backbone, shape: tuple[int, ...]) -> None:
    for method in (backbone.forward, backbone.embed):
        with pytest.raises(ConfigError, match="H, W >= 32"):
            method(torch.zeros(shape))


def test_layer_groups_hold_every_parameter_once(backbone: Backbone) -> None:
    groups = backbone.layer_groups()
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(name for name, _ in backbone.named_parameters())
    assert len(groups) >= 3
    assert backbone.input_conv in groups[0]


def test_parameters_without_decay_exist(backbone: Backbone) -> None:
    assert backbone.no_weight_decay() <= {name for name, _ in backbone.named_parameters()}


def test_modes_of_memory_agree(family: str) -> None:
    fresh = randomise(build(family, drop_path_rate=0.2)).double().train()
    images = images_of(45, 61, batch=2).double()
    results = []
    for mode in get_args(MemoryMode):
        model = copy.deepcopy(fresh)
        model.set_memory(mode)
        torch.manual_seed(0)
        outputs = [*model(images), model.embed(images)]
        sum(weighted_sum(x) for x in outputs).backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        # Averages of batch norms count the batch once.
        buffers = {name: buffer.double() for name, buffer in model.named_buffers()}
        results.append(({str(i): x for i, x in enumerate(outputs)}, gradients, buffers))
    fast, *others = results
    for other in others:
        for expected, found in zip(fast, other, strict=True):
            for name, x in expected.items():
                bound = 1e-12 * max(1.0, x.abs().max().item())
                torch.testing.assert_close(found[name], x, rtol=0, atol=bound, msg=name)


def test_the_lean_mode_trains_under_autocast(family: str) -> None:
    images = images_of(64, 64, batch=2)
    gradients = []
    for mode in ("fast", "lean"):
        model = randomise(build(family)).train()
        model.set_memory(mode)
        with torch.autocast("cpu", torch.bfloat16):
            weighted_sum(model.embed(images).float()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    fast, lean = gradients
    assert (lean - fast).norm() / fast.norm() < 0.02


@torch.no_grad()
def test_bfloat16_autocast_stays_near_float32(backbone: Backbone) -> None:
    images = images_of(64, 64)
    exact = backbone.embed(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = backbone.embed(images)
    assert (rough.float() - exact).norm() / exact.norm() < 0.05


@pytest.mark.gpu
@torch.no_grad()
def test_cuda_agrees_with_the_cpu(backbone: Backbone) -> None:
    images = images_of(64, 64)
    exact = backbone.embed(images)
    on_device = copy.deepcopy(backbone).cuda()
    alike = on_device.embed(images.cuda()).cpu()
    assert (alike - exact).norm() / exact.norm() < 1e-3  # convolutions may run in TF32
    with torch.autocast("cuda", torch.bfloat16):
        rough = on_device.embed(images.cuda()).cpu()
    assert (rough.float() - exact).norm() / exact.norm() < 0.05


@torch.no_grad()
def test_float64_agrees_with_float32(backbone: Backbone) -> None:
    images = images_of(45, 64)
    double = copy.deepcopy(backbone).double()
    for x, y in zip(backbone(images), double(images.double()), strict=True):
        assert y.dtype == torch.float64
        assert ((x - y).abs().max() / y.abs().max()) < 1e-5


def test_training_works_after_inference_mode(family: str) -> None:
    model = build(family)
    images = images_of(48, 64, batch=2)
    with torch.inference_mode():
        model(images)
    sum(x.sum() for x in model(images)).backward()


def test_sizes_seen_leave_no_trace_in_the_state(backbone: Backbone) -> None:
    keys = list(backbone.state_dict())
    with torch.no_grad():
        backbone(images_of(72, 40))
    assert list(backbone.state_dict()) == keys
    clone = pickle.loads(pickle.dumps(backbone))
    with torch.no_grad():
        for x, y in zip(clone(images_of(40, 40)), backbone(images_of(40, 40)), strict=True):
            assert torch.equal(x, y)


def test_other_image_channels(family: str) -> None:
    model = build(family, in_channels=5)
    assert model.state_dict()[model.input_conv].shape[1] == 5
    model(torch.zeros(2, 5, 32, 32))


def test_builds_without_memory(family: str) -> None:
    with torch.device("meta"):
        model = build(family)
    assert all(tensor.is_meta for tensor in model.state_dict().values())


# The models whose code pads the image with zeros, right and bottom, to a multiple of the patch.
@pytest.mark.parametrize(("padded_family", "patch"), [("swin", 4), ("tnt", 16)])
@torch.no_grad()
def test_padding_to_the_patch_by_hand_changes_nothing(padded_family: str, patch: int) -> None:
    model = randomise(build(padded_family)).eval()
    images = images_of(45, 58)
    padded = F.pad(images, (0, -58 % patch, 0, -45 % patch))
    for x, y in zip(model(images), model(padded), strict=True):
        assert torch.equal(x, y)


# The models whose stem and down-sampling drop what does not fill a cell.
@pytest.mark.parametrize("floored_family", ["convnext", "hornet_7x7", "hornet_gf"])
@torch.no_grad()
def test_remainders_of_the_stem_are_dropped(floored_family: str) -> None:
    model = randomise(build(floored_family)).eval()
    images = images_of(47, 61)
    for x, y in zip(model(images), model(images[:, :, :44, :60]), strict=True):
        assert torch.equal(x, y)


def test_maps_that_are_not_kept_are_left_out_with_their_norms(family: str) -> None:
    model = randomise(build(family, dense=True)).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = model(images)
        model.keep_outputs([len(maps) - 1])
        kept = model(images)
    assert len(kept) == len(model.feature_specs) == 1
    assert torch.equal(kept[0], maps[-1])
    assert len(model.out_norms) <= 1
    with pytest.raises(ConfigError, match="out_indices"):
        build("swin").keep_outputs([0, 1])
