"""Checkpoints of mmsegmentation: key names, outputs, and classes carried over by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.mmseg_heads import needs_mmseg, randomise, read
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.contracts.features import FeatureSpec
from vision.heads.segmentation.fcn import FCNHead
from vision.mmcv.operators import import_models
from vision.tasks.segmentors import SEGMENTORS, build_segmentor
from vision.weights.names import mmseg
from vision.weights.read import read_class_names

CLASS_NAMES = ["wall", "sky", "tree", "cat"]
BACKBONE = {"depths": (2, 1, 1, 1), "num_heads": (1, 2, 2, 4), "window_size": 4}
WIDTHS = [8, 16, 32, 64]
SHARED = {"num_classes": 4, "norm_cfg": {"type": "BN"}, "align_corners": False}
EVERY = {**SHARED, "in_channels": WIDTHS, "in_index": [0, 1, 2, 3]}
AUXILIARY = {
    **SHARED,
    "type": "FCNHead",
    "in_channels": 32,
    "in_index": 2,
    "channels": 6,
    "num_convs": 1,
    "concat_input": False,
}
# Theirs: decode head, neck, auxiliary head.
THEIRS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]] = {
    "upernet": ({**EVERY, "type": "UPerHead", "channels": 12}, None, AUXILIARY),
    "segformer": ({**EVERY, "type": "SegformerHead", "channels": 10}, None, None),
    "semantic_fpn": (
        {
            **EVERY,
            "type": "FPNHead",
            "in_channels": [8] * 4,
            "feature_strides": [4, 8, 16, 32],
            "channels": 6,
        },
        {"type": "FPN", "in_channels": WIDTHS, "out_channels": 8, "num_outs": 4},
        None,
    ),
    "mmseg": (
        {**SHARED, "type": "PSPHead", "in_channels": 64, "in_index": 3, "channels": 8},
        None,
        AUXILIARY,
    ),
}
CHANNELS = {"upernet": 12, "segformer": 10, "semantic_fpn": 6, "mmseg": 8}


class Segmentor(nn.Module):
    """Backbone, neck and heads, under the names that the task gives them."""

    def __init__(self, name: str, *, num_classes: int = 4, auxiliary: bool | None = None) -> None:
        super().__init__()
        self.backbone = create_backbone("swin", dim=8, **BACKBONE, dense=True)
        head_options: dict[str, Any] = {"channels": CHANNELS[name]}
        if name == "mmseg":
            head_options |= {"type": "PSPHead", "auxiliary": {"channels": 6}}
        own = name == "upernet" and auxiliary is not False
        self.neck, self.head, self.auxiliary, _ = build_segmentor(
            SEGMENTORS[name],
            self.backbone,
            num_classes=num_classes,
            neck_options={"out_channels": 8} if name == "semantic_fpn" else {},
            head_options=head_options,
            auxiliary_options={"channels": 6} if own else {},
            loss_options={},
            auxiliary=auxiliary,
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        maps = self.neck(self.backbone(images))
        second = None if self.auxiliary is None else self.auxiliary(maps)["logits"]
        return self.head(maps)["logits"], second


def build(name: str, **options: Any) -> Segmentor:
    torch.manual_seed(0)
    return Segmentor(name, **options).eval()


def build_theirs(name: str) -> nn.Module:
    """Their whole model, with random weights."""
    import_models("mmseg")
    from mmengine import ConfigDict
    from mmseg.registry import MODELS

    head, neck, auxiliary = THEIRS[name]
    backbone = {"type": "SwinTransformer", "embed_dims": 8, "drop_path_rate": 0.0, **BACKBONE}
    config = {
        "type": "EncoderDecoder",
        "_scope_": "mmseg",
        "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [1.0] * 3, "std": [1.0] * 3},
        "backbone": backbone,
        "decode_head": head,
        "neck": neck,
        "auxiliary_head": auxiliary,
        "test_cfg": {"mode": "whole"},
    }
    model = MODELS.build(ConfigDict({k: v for k, v in config.items() if v is not None}))
    randomise(model)
    return model.eval()


def fake_state(*, classes: int = 4) -> dict[str, Tensor]:
    """A checkpoint of UPerNet under mmsegmentation's names, made without it from ours."""
    source = build("upernet", num_classes=classes)
    randomise(source, seed=1)
    names = [
        ("head.pools.", "decode_head.psp_modules."),
        ("head.laterals.", "decode_head.lateral_convs."),
        ("head.outputs.", "decode_head.fpn_convs."),
        ("head.fusion.", "decode_head.fpn_bottleneck."),
        ("head.classifier.", "decode_head.conv_seg."),
        ("auxiliary.classifier.", "auxiliary_head.conv_seg."),
        ("head.", "decode_head."),
        ("auxiliary.", "auxiliary_head."),
    ]
    state = {}
    for name, tensor in source.state_dict().items():
        key = name
        for ours, theirs in names:
            if name.startswith(ours):
                key = theirs + name.removeprefix(ours).replace("norm.", "bn.")
                break
        if "psp_modules" in key:
            key = key.replace(".conv.", ".1.conv.").replace(".bn.", ".1.bn.")
        state[key] = tensor
    return state


@needs_mmseg
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(THEIRS))
def test_a_whole_checkpoint_loads_and_computes_the_same(name: str, tmp_path: Path) -> None:
    theirs, path = build_theirs(name), tmp_path / "mmseg.pth"
    state = theirs.state_dict()
    content = {"meta": {"dataset_meta": {"classes": CLASS_NAMES}}, "state_dict": state}
    torch.save(content, path)
    assert read_class_names(path) == CLASS_NAMES
    ours = build(name)
    report = load_weights(ours, path)
    assert report.naming == "mmseg"
    assert str(report) == f"loaded {len(ours.state_dict())} tensors (mmseg key names)"
    images = torch.randn(2, 3, 96, 75, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = theirs.extract_feat(images)
        pairs = [(ours(images)[0], theirs.decode_head(maps))]
        if name == "upernet":
            pairs.append((ours(images)[1], theirs.auxiliary_head(maps)))
    for actual, expected in pairs:
        error = (actual - expected).abs().max() / expected.abs().max()
        assert error <= 1e-5


@needs_mmseg
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("convs", [0, 1, 2])
def test_every_form_of_an_fcn_head_has_its_names(convs: int) -> None:
    theirs = import_models("mmseg").decode_heads.FCNHead(
        **SHARED, in_channels=8, channels=8, num_convs=convs, concat_input=convs == 2
    )
    ours = FCNHead(
        [FeatureSpec(8, 4)], num_classes=4, channels=8, num_convs=convs, concat_input=convs == 2
    )
    for part in ("head", "auxiliary"):
        key = {"head": "decode_head.", "auxiliary": "auxiliary_head."}[part]
        state = mmseg.read({key + k: v for k, v in theirs.state_dict().items()})
        assert {k.removeprefix(part + "."): v.shape for k, v in state.items()} == {
            k: v.shape for k, v in ours.state_dict().items()
        }


@pytest.mark.parametrize("name", ["mmseg_uper", "mmseg_fpn", "mmseg_segformer"])
def test_every_key_of_the_reference_heads_has_a_counterpart(name: str) -> None:
    from helpers.mmseg_heads import build as build_head

    reference = read(name)
    state = {f"decode_head.{k}": v for k, v in reference.folder("state_dict").items()}
    ours = build_head(reference.kind, reference.options)
    wanted = {f"head.{k}": v.shape for k, v in ours.state_dict().items()}
    assert {k: v.shape for k, v in mmseg.read(state).items()} == wanted


def test_a_cascade_within_our_head_around_theirs() -> None:
    keys = {
        "decode_head.0.conv_seg.bias": "head.previous.conv_seg.bias",
        "decode_head.1.bottleneck.bn.weight": "head.head.bottleneck.bn.weight",
        "decode_head.kernel_update_head.0.x": "head.head.kernel_update_head.0.x",
        "auxiliary_head.convs.0.conv.weight": "head.auxiliary.convs.0.conv.weight",
    }
    state = {key: torch.zeros(1) for key in keys}
    assert list(mmseg.read(state, wrapped=True)) == list(keys.values())


def test_a_model_without_an_auxiliary_head_leaves_it_out() -> None:
    state = fake_state()
    state["data_preprocessor.mean"] = torch.zeros(3, 1, 1)
    for module in (build("upernet", auxiliary=False), build("upernet").backbone):
        report = load_weights(module, state)
        assert not report.missing + report.unexpected + report.reinitialised


def test_keys_without_a_counterpart_and_lost_ones_are_said() -> None:
    state = fake_state()
    del state["decode_head.bottleneck.conv.weight"]
    state["decode_head.mask_embed.weight"] = torch.zeros(1)
    report = load_weights(build("upernet"), state)
    assert report.missing == ["head.bottleneck.conv.weight"]
    assert report.unexpected == ["head.mask_embed.weight"]


def test_classes_of_the_same_name_are_kept_in_both_heads() -> None:
    checkpoint = {"meta": {"CLASSES": CLASS_NAMES}, "state_dict": (state := fake_state())}
    model = build("upernet", num_classes=3)
    report = load_weights(model, checkpoint, class_names=["cat", "unicorn", "wall"])
    said = "mapped 2 of 4 classes by name: cat, wall; 1 without a counterpart: unicorn"
    assert report.mapped == said
    assert not report.missing + report.unexpected + report.reinitialised
    for head, key in ((model.head, "decode_head"), (model.auxiliary, "auxiliary_head")):
        theirs = state[f"{key}.conv_seg.weight"]
        assert torch.equal(head.classifier.weight[[0, 2]], theirs[[3, 0]])
        assert torch.equal(head.classifier.bias[[0, 2]], state[f"{key}.conv_seg.bias"][[3, 0]])
        assert 0 < head.classifier.weight[1].abs().max() < 0.1
        assert head.classifier.bias[1] == 0
    assert torch.equal(
        model.auxiliary.convs[0].conv.weight, state["auxiliary_head.convs.0.conv.weight"]
    )


def test_without_names_the_classifiers_alone_are_fresh() -> None:
    state = fake_state()
    model = build("upernet", num_classes=3)
    with torch.no_grad():
        for head in (model.head, model.auxiliary):
            head.classifier.bias.fill_(3)
    report = load_weights(model, state)
    assert set(report.reinitialised) == {
        f"{head}.classifier.{kind}" for head in ("head", "auxiliary") for kind in ("weight", "bias")
    }
    assert not report.missing + report.unexpected
    assert all((head.classifier.bias == 0).all() for head in (model.head, model.auxiliary))
    fusion = state["decode_head.fpn_bottleneck.conv.weight"]
    assert torch.equal(model.head.fusion.conv.weight, fusion)


def test_what_is_missing_keeps_its_values_where_the_classifiers_are_fresh() -> None:
    state = fake_state()
    del state["auxiliary_head.convs.0.conv.weight"]
    model = build("upernet", num_classes=3)
    before = model.auxiliary.convs[0].conv.weight.detach().clone()
    load_weights(model, state)
    assert torch.equal(model.auxiliary.convs[0].conv.weight, before)


def test_a_model_without_memory_is_filled() -> None:
    with torch.device("meta"):
        model = build("upernet", num_classes=3)
    load_weights(model, fake_state())
    assert not any(tensor.is_meta for tensor in model.state_dict().values())
    assert (model.auxiliary.classifier.bias == 0).all()


def test_the_names_of_both_packages_are_told_apart() -> None:
    neck = {"neck.lateral_convs.0.conv.weight"}
    assert not mmseg.is_mmseg(neck)
    assert mmseg.is_mmseg({*neck, "decode_head.conv_seg.bias"})
