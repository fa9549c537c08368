"""Decode heads of mmsegmentation as heads of ours, beside those heads by themselves."""

import copy
import math
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.mmseg import MMSegHead, MMSegLoss, find_head
from vision.mmcv.operators import import_models

pytest.importorskip("mmseg", reason="mmsegmentation is not installed")

SPECS = [FeatureSpec(*spec) for spec in ((8, 4), (12, 8), (16, 16), (24, 32))]
CLASSES = 5
# Heads and their options; the stride of their logits.
HEADS = {
    "UPerHead": ({"pool_scales": (1, 2)}, 4),
    "FCNHead": ({"num_convs": 1}, 32),
    "PSPHead": ({"pool_scales": (1, 2)}, 32),
    "ASPPHead": ({"dilations": (1, 2), "in_index": 2}, 16),
    "DepthwiseSeparableASPPHead": ({"dilations": (1, 2), "c1_channels": 6}, 4),
    "SegformerHead": ({}, 4),
    "FPNHead": ({}, 4),
    "OCRHead": ({"ocr_channels": 8}, 32),
    "DAHead": ({"pam_channels": 4}, 32),
    "EncHead": ({"num_codes": 4}, 32),
    "PSAHead": ({"mask_size": (3, 3)}, 32),
    "LightHamHead": ({"ham_channels": 16, "ham_kwargs": {"MD_R": 4}}, 8),
    "SETRUPHead": ({}, 8),
}
ATTENTION = {"embed_dims": 16, "num_heads": 2}
FFN = {"embed_dims": 16, "feedforward_channels": 16}
MASK2FORMER = {
    "feat_channels": 16,
    "out_channels": 16,
    "num_queries": 7,
    "pixel_decoder": {
        "norm_cfg": {"type": "GN", "num_groups": 4},
        "encoder": {
            "num_layers": 1,
            "layer_cfg": {"self_attn_cfg": ATTENTION, "ffn_cfg": FFN},
        },
        "positional_encoding": {"num_feats": 8},
    },
    "positional_encoding": {"num_feats": 8},
    "transformer_decoder": {
        "num_layers": 1,
        "layer_cfg": {"self_attn_cfg": ATTENTION, "cross_attn_cfg": ATTENTION, "ffn_cfg": FFN},
    },
    "train_cfg": {"num_points": 32},
}


def build(name: str, **options: object) -> MMSegHead:
    torch.manual_seed(0)
    own = MASK2FORMER if name == "Mask2FormerHead" else {"channels": 8, **HEADS[name][0]}
    return MMSegHead(SPECS, num_classes=CLASSES, type=name, **{**own, **options})


def make_maps(*, height: int = 64, width: int = 96, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = [(math.ceil(height / spec.stride), math.ceil(width / spec.stride)) for spec in SPECS]
    return [
        torch.randn(batch, spec.channels, *size, generator=generator)
        for spec, size in zip(SPECS, sizes, strict=True)
    ]


def make_batch(*, height: int = 64, width: int = 96) -> dict[str, Tensor]:
    mask = torch.randint(CLASSES, (2, height, width), generator=torch.Generator().manual_seed(2))
    mask[0, :9] = 255
    return {"mask": mask}


def samples_of(mask: Tensor) -> list:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    samples = []
    for image in mask:
        sample = SegDataSample(metainfo={"img_shape": tuple(image.shape)})
        sample.gt_sem_seg = PixelData(data=image[None])
        samples.append(sample)
    return samples


@pytest.mark.parametrize("name", [*HEADS, "Mask2FormerHead"])
def test_every_parameter_learns_at_odd_sizes(name: str) -> None:
    head = build(name).train()
    maps = make_maps(height=75, width=101)
    for x in maps:
        x.requires_grad_()
    outputs = head(maps)
    terms = MMSegLoss(head)(outputs, make_batch(height=75, width=101))
    assert terms
    assert all(torch.isfinite(value) and value.shape == () for value in terms.values())
    assert not any("acc" in key for key in terms)
    torch.stack(list(terms.values())).sum().backward()
    idle = [key for key, p in head.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []
    assert outputs["logits"].shape[:2] == (2, CLASSES)

    head.eval()
    with torch.no_grad():
        torch.manual_seed(0)  # LightHamHead factorises matrices from a random start, always
        outputs = head(maps)
        torch.manual_seed(0)
        again = head(maps)
    assert outputs.keys() == {"logits"}
    assert torch.equal(outputs["logits"], again["logits"])


@pytest.mark.parametrize("name", [*HEADS, "Mask2FormerHead"])
def test_stride_of_the_logits(name: str) -> None:
    head = build(name).eval()
    logits = head(make_maps())["logits"]
    assert head.stride == (1 if name == "Mask2FormerHead" else HEADS[name][1])
    assert logits.shape == (2, CLASSES, 64 // head.stride, 96 // head.stride)
    prediction = head.predict({"logits": logits}, torch.tensor([[64, 96], [64, 96]]))
    assert prediction[1]["mask"].shape == (64, 96)


@pytest.mark.parametrize("name", ["UPerHead", "FCNHead", "FPNHead", "DAHead", "EncHead"])
def test_logits_and_loss_are_those_of_mmsegmentation(name: str) -> None:
    head, maps, batch = build(name).train(), make_maps(), make_batch()
    for module in head.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    own = copy.deepcopy(head.head)
    theirs = own.loss(maps, samples_of(batch["mask"]), {})
    ours = MMSegLoss(head)(head(maps), batch)
    assert ours.keys() == {key for key in theirs if "loss" in key}
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key])

    metas = [{"img_shape": (64, 96)}] * 2
    expected = head.head.eval().predict(maps, metas, {})
    logits = head.eval()(maps)["logits"]
    resized = nn.functional.interpolate(logits, (64, 96), mode="bilinear")
    torch.testing.assert_close(resized, expected)


def test_mask2former_is_that_of_mmsegmentation() -> None:
    head, maps, batch = build("Mask2FormerHead").train(), make_maps(), make_batch()
    own = copy.deepcopy(head.head)
    torch.manual_seed(3)  # of the points that the loss looks at
    theirs = own.loss(maps, samples_of(batch["mask"]), {})
    torch.manual_seed(3)
    ours = MMSegLoss(head)(head(maps), batch)
    assert {"loss_cls", "loss_mask", "loss_dice", "d0.loss_cls"} <= ours.keys() == theirs.keys()
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key].squeeze())

    expected = head.head.eval().predict(maps, [{"img_shape": (64, 96)}] * 2, {})
    torch.testing.assert_close(head.eval()(maps)["logits"], expected)


def test_mask2former_with_nothing_to_learn() -> None:
    head = build("Mask2FormerHead").train()
    batch = {"mask": torch.full((2, 64, 96), 255)}
    terms = MMSegLoss(head)(head(make_maps()), batch)
    torch.stack(list(terms.values())).sum().backward()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(p.grad is not None for p in head.parameters())


def test_a_cascade_learns_from_both_losses() -> None:
    config = {"type": "FCNHead", "num_convs": 0, "in_index": 2, "channels": 16}
    loss = [
        {"type": "CrossEntropyLoss", "loss_name": "loss_ce"},
        {"type": "DiceLoss", "loss_name": "loss_dice", "loss_weight": 3.0},
    ]
    head = build("OCRHead", in_index=2, previous={**config, "loss_decode": loss}).train()
    maps, batch = make_maps(), make_batch()
    outputs = head(maps)
    terms = MMSegLoss(head)(outputs, batch)
    assert terms.keys() == {"previous_loss_ce", "previous_loss_dice", "loss_ce"}
    # By hand: OCRNet classifies by the context that the first head's logits gather.
    head.eval()
    first = head.previous(maps)
    torch.testing.assert_close(head(maps)["logits"], head.head(maps, first))

    default = build("OCRHead").previous
    assert default.loss_decode.loss_weight == 0.4
    with refuses(ConfigError, "FCNHead", "another"):
        build("FCNHead", previous={"type": "FCNHead"})


def test_an_auxiliary_head_helps_training_only() -> None:
    head = build("PSPHead", auxiliary=True).train()
    terms = MMSegLoss(head)(head(make_maps()), make_batch())
    assert terms.keys() == {"loss_ce", "auxiliary_loss_ce"}
    # With nearly even logits both losses are near log K; the second counts 0.4.
    share = terms["auxiliary_loss_ce"] / terms["loss_ce"]
    assert share.item() == pytest.approx(0.4, abs=0.1)
    assert head.auxiliary.in_channels == 16
    plain = build("PSPHead").eval()
    plain.load_state_dict(head.state_dict(), strict=False)
    torch.testing.assert_close(plain(make_maps())["logits"], head.eval()(make_maps())["logits"])
    other = build("PSPHead", auxiliary={"type": "SegformerHead", "channels": 4})
    assert len(other.auxiliary.in_channels) == 4
    outputs = {"logits": torch.zeros(1), "auxiliary": torch.zeros(1)}
    with pytest.raises(ConfigError, match=r"head_options\.auxiliary"):
        MMSegLoss(head)(outputs, make_batch())


def test_the_loss_holds_no_second_copy_of_the_head() -> None:
    model = nn.ModuleDict({"head": build("FCNHead")})
    model["criterion"] = MMSegLoss(model["head"])
    assert all(key.startswith("head.head.") for key in model.state_dict())
    assert len(list(model.parameters())) == len(list(model["head"].parameters()))
    copied = copy.deepcopy(model)
    assert copied["criterion"]._head[0] is copied["head"]
    assert copied["head"].head is not model["head"].head
    copied.load_state_dict(model.state_dict())


@pytest.mark.parametrize("name", ["UPerHead", "Mask2FormerHead"])
def test_bfloat16_autocast_has_the_loss_in_float32(name: str) -> None:
    head = build(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = head(make_maps())
        terms = MMSegLoss(head)(outputs, make_batch())
    assert all(value.dtype == torch.float32 for value in terms.values())
    torch.stack(list(terms.values())).sum().backward()


def test_builds_without_memory_and_initialises_as_published() -> None:
    with torch.device("meta"):
        empty = build("UPerHead", auxiliary=True)
    assert all(parameter.is_meta for parameter in empty.parameters())
    head = empty.to_empty(device="cpu")
    for value in head.state_dict().values():
        value.fill_(1000)
    torch.manual_seed(5)
    head.reset_parameters()
    torch.manual_seed(5)
    fresh = MMSegHead(
        SPECS, num_classes=CLASSES, type="UPerHead", channels=8, pool_scales=(1, 2), auxiliary=True
    )
    for key, value in fresh.state_dict().items():
        assert torch.equal(head.state_dict()[key], value), key
    # As mmsegmentation's own init_cfg says: a normal distribution of 0.01.
    assert head.head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.5)
    assert head.head.conv_seg.bias.abs().max() == 0


def test_rows_of_classes() -> None:
    rows = build("DAHead", auxiliary=True).class_rows()
    assert {"head.conv_seg.weight", "head.pam_conv_seg.bias", "auxiliary.conv_seg.weight"} <= set(
        rows
    )
    head = build("Mask2FormerHead")
    rows = head.class_rows()
    assert rows.keys() == {"head.cls_embed.weight", "head.cls_embed.bias"}
    assert all(row.background for row in rows.values())


def test_fills_in_what_follows_from_the_maps() -> None:
    head = MMSegHead(SPECS, num_classes=CLASSES, type="FCNHead", in_index=[1, 3], channels=8)
    assert head.head.in_channels == 12 + 24
    assert head.head.input_transform == "resize_concat"
    assert head.stride == 8
    assert isinstance(head.head.convs[0].bn, nn.BatchNorm2d)
    norm = {"type": "GN", "num_groups": 2}
    other = MMSegHead(SPECS, num_classes=CLASSES, type="FCNHead", channels=8, norm_cfg=norm)
    assert isinstance(other.head.convs[0].gn, nn.GroupNorm)
    fewer = MMSegHead(SPECS[1:], num_classes=CLASSES, type="FPNHead", channels=8)
    assert fewer.head.feature_strides == [8, 16, 32]


def test_the_inner_head_of_knet_is_filled_in_too() -> None:
    relu = {"type": "ReLU"}
    update = {
        "type": "KernelUpdateHead",
        **{"num_classes": CLASSES, "num_heads": 2, "num_mask_fcs": 1, "in_channels": 8},
        **{"out_channels": 8, "feedforward_channels": 8, "conv_kernel_size": 1},
        "ffn_act_cfg": relu,
        "feat_transform_cfg": {"conv_cfg": {"type": "Conv2d"}, "act_cfg": None},
        "kernel_updator_cfg": {
            **{"type": "KernelUpdator", "in_channels": 8, "feat_channels": 8, "out_channels": 8},
            **{"act_cfg": relu, "norm_cfg": {"type": "LN"}},
        },
    }
    first = {"type": "FCNHead", "channels": 8, "num_convs": 1, "in_index": 1}
    options = {"num_stages": 1, "kernel_update_head": [update], "kernel_generate_head": first}
    head = MMSegHead(SPECS, num_classes=CLASSES, type="IterativeDecodeHead", **options).train()
    assert head.head.kernel_generate_head.in_channels == 12
    assert head.stride == 8
    terms = MMSegLoss(head)(head(make_maps()), make_batch())
    assert terms.keys() == {"loss_ce.s0", "loss_ce.s1"}
    assert head.eval()(make_maps())["logits"].shape == (2, CLASSES, 8, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "PSPHaed"}, ("'PSPHaed'", "'PSPHead'")),
        (
            {"type": "PSPHead", "pool_scale": 1},
            ("'pool_scale'", "pool_scales"),
        ),
        ({"type": "UPerHead", "input_transform": "resize_concat"}, ("option", "'input_transform'")),
        ({"type": "FCNHead", "in_index": 4}, ("in_index=4", "FCNHead", "4 maps")),
        ({"type": "FCNHead", "in_channels": 9}, ("in_channels=9", "FCNHead", "24 channels")),
        ({"type": "FCNHead", "ignore_index": 0}, ("ignore_index=0",)),
        ({"type": "FCNHead", "out_channels": 1}, ("out_channels=1",)),
        (
            {"type": "FCNHead", "loss_decode": {"type": "CrossEntropyLos"}},
            ("FCNHead.loss_decode.type='CrossEntropyLos'", "'CrossEntropyLoss'"),
        ),
        (
            {"type": "FCNHead", "init_cfg": {"type": "Pretrained", "checkpoint": "a.pth"}},
            ("FCNHead.init_cfg.type", "weights"),
        ),
        ({"type": "FCNHead", "loss_decode": [{"_scope_": "os"}]}, ("loss_decode[0]._scope_",)),
        ({"type": "PSAHead"}, ("PSAHead", "mask_size")),
        ({"type": "PointHead"}, ("PointHead", "mmsegmentation")),
        ({"type": "PIDHead"}, ("branches", "PIDNet")),
        ({"type": "OCRHead", "previous": {"type": "OCRHead"}}, ("stand", "beside")),
    ],
)
def test_mistakes(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        MMSegHead(SPECS, num_classes=CLASSES, **options)


def test_a_config_runs_no_code(tmp_path: Path) -> None:
    # mmengine would import what is not registered by its path, and call it with the options.
    evil = {"type": "pathlib.Path.touch", "self": str(tmp_path / "ran")}
    with refuses(ConfigError, "Paths", "classes", "imported"):
        MMSegHead(SPECS, num_classes=CLASSES, type="FCNHead", loss_decode=evil)
    touch = {"type": "subprocess.check_call", "args": ["touch", str(tmp_path / "ran")]}
    with refuses(ConfigError, "'subprocess.check_call'", "registered"):
        MMSegHead(SPECS, num_classes=CLASSES, type="FCNHead", norm_cfg=touch)
    assert not list(tmp_path.iterdir())


def test_another_default_scope_changes_nothing() -> None:
    from mmengine.registry import DefaultScope

    import_models("mmdet")
    with DefaultScope.overwrite_default_scope("mmdet"):
        head = build("FCNHead")
    assert type(head.head.loss_decode).__module__.startswith("mmseg")


def test_class_of_a_head() -> None:
    assert find_head("FCNHead").__module__ == "mmseg.models.decode_heads.fcn_head"
