"""Our detectors and segmentors under the names of mmdet and mmsegmentation, loaded there."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import mmdet_references
from helpers.mmdet_references import NAMES
from helpers.mmseg_heads import needs_mmseg, randomise
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from torch import nn

from vision import load_weights
from vision.errors import ConfigError
from vision.mmcv.operators import import_models
from vision.weights.names.write import to_naming

needs_mmdet = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mmdet", "mmcv")),
    reason="mmdetection is not installed",
)
IMAGES = torch.randn(1, 3, 96, 75, generator=torch.Generator().manual_seed(0))
WIDTHS = [16, 32, 64, 128]


@pytest.mark.parametrize("name", NAMES)
def test_mmdet_to_ours_and_back_is_the_same_file(name: str) -> None:
    reference = mmdet_references.read(name)
    detector = mmdet_references.build(reference)
    state = reference.folder("state_dict")
    load_weights(detector, state)
    written = to_naming(detector, "mmdet")
    # Norms of maps that no neck takes are not ours; indices are not in the reference files.
    expected = {
        k: v for k, v in state.items() if not (name in ("retinanet", "fcos") and "norm0" in k)
    }
    derived = {key for key in written if key.endswith("relative_position_index")}
    assert set(written) - derived == set(expected) - derived
    for key in set(expected) & set(written):
        assert torch.equal(written[key], expected[key]), key


@needs_mmdet
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_mmdet_loads_it_strictly(name: str) -> None:
    import_models("mmdet")
    from mmdet.registry import MODELS
    from mmengine import ConfigDict

    config = _detector_config(name)
    if name in ("retinanet", "fcos"):
        # The map of stride 4 has no neck, and in ours no norm either.
        config["backbone"] |= {"out_indices": (1, 2, 3)}
        config["neck"] |= {"in_channels": config["neck"]["in_channels"][1:], "start_level": 0}
    theirs = MODELS.build(ConfigDict({**config, "_scope_": "mmdet"})).eval()
    ours = mmdet_references.build(mmdet_references.read(name), seed=1)
    randomise(ours)
    theirs.load_state_dict(to_naming(ours, "mmdet"), strict=True)
    maps = theirs.extract_feat(IMAGES)
    for actual, expected in zip(ours.neck(ours.backbone(IMAGES)), maps, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def _detector_config(name: str) -> dict[str, Any]:
    folder = str(Path(mmdet_references.FOLDER))
    sys.path.insert(0, folder)
    try:
        import detectors
    finally:
        sys.path.remove(folder)
    return getattr(detectors, name)()


SHARED = {"num_classes": 4, "norm_cfg": {"type": "BN"}, "align_corners": False}
EVERY = {**SHARED, "in_channels": WIDTHS, "in_index": [0, 1, 2, 3], "channels": 16}
AUXILIARY = {
    **SHARED,
    "type": "FCNHead",
    "in_channels": 64,
    "in_index": 2,
    "channels": 8,
    "num_convs": 1,
    "concat_input": False,
}
FPN = {"type": "FPN", "in_channels": WIDTHS, "out_channels": 16, "num_outs": 4}
STRIDED = {"type": "FPNHead", "in_channels": [16] * 4, "feature_strides": [4, 8, 16, 32]}
THEIRS: dict[str, dict[str, Any]] = {
    "upernet": {"decode_head": {**EVERY, "type": "UPerHead"}, "auxiliary_head": AUXILIARY},
    "segformer": {"decode_head": {**EVERY, "type": "SegformerHead"}},
    "semantic_fpn": {"decode_head": {**EVERY, **STRIDED}, "neck": FPN},
}
BACKBONES: dict[str, dict[str, Any]] = {
    "swin": {
        "type": "SwinTransformer",
        "embed_dims": 16,
        "depths": (1, 2, 2, 2),
        "num_heads": (1, 2, 4, 8),
        "window_size": 4,
        "drop_path_rate": 0.0,
    },
    "cswin": {"type": "vision.CSWin", **TINY["cswin"][1]},
    "cvt": {"type": "vision.CvT", **TINY["cvt"][1]},
}


def segmentor_of_mmseg(family: str, parts: dict[str, Any]) -> nn.Module:
    import_models("mmseg")
    from mmengine import ConfigDict
    from mmseg.registry import MODELS

    from vision.interop.mmseg import register_backbones

    register_backbones()
    config = {
        "type": "EncoderDecoder",
        "_scope_": "mmseg",
        "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [1.0] * 3, "std": [1.0] * 3},
        "backbone": BACKBONES[family],
        "test_cfg": {"mode": "whole"},
        **parts,
    }
    return MODELS.build(ConfigDict(config)).eval()


@needs_mmseg
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "segmentor"),
    [*(("swin", name) for name in THEIRS), ("cswin", "upernet"), ("cvt", "semantic_fpn")],
)
@torch.no_grad()
def test_mmseg_loads_it_strictly_and_computes_the_same(family: str, segmentor: str) -> None:
    ours = tiny_segmentor(family, segmentor).eval()
    randomise(ours)
    parts = THEIRS[segmentor]
    if family == "cvt":
        widths = [spec.channels for spec in ours.neck.pyramid.feature_specs]
        parts = {**parts, "neck": {**FPN, "in_channels": widths}}
    theirs = segmentor_of_mmseg(family, parts)
    theirs.load_state_dict(to_naming(ours, "mmseg"), strict=True)
    maps = ours.neck(ours.backbone(IMAGES))
    features = theirs.extract_feat(IMAGES)
    pairs = [(ours.head(maps)["logits"], theirs.decode_head(features))]
    if ours.auxiliary is not None:
        pairs.append((ours.auxiliary(maps)["logits"], theirs.auxiliary_head(features)))
    for actual, expected in pairs:
        assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


@needs_mmseg
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_heads_of_mmseg_within_ours_go_back() -> None:
    head = {"type": "PSPHead", "channels": 8, "auxiliary": {"channels": 8}}
    ours = tiny_segmentor("swin", "mmseg", head_options=head).eval()
    randomise(ours)
    decode = {**SHARED, "type": "PSPHead", "in_channels": 128, "in_index": 3, "channels": 8}
    theirs = segmentor_of_mmseg("swin", {"decode_head": decode, "auxiliary_head": AUXILIARY})
    theirs.load_state_dict(to_naming(ours, "mmseg"), strict=True)
    expected = theirs.decode_head(theirs.extract_feat(IMAGES))
    actual = ours.head(ours.neck(ours.backbone(IMAGES)))["logits"]
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_every_form_of_a_detector_can_be_written() -> None:
    # Written names are read back and compared before they are returned.
    for family in ("convnext", "hornet_gf", "cvt"):
        for name in ("faster_rcnn", "cascade_mask_rcnn", "retinanet", "fcos"):
            keys = to_naming(tiny_detector(family, name), "mmdet")
            assert any(key.startswith("neck.fpn_convs.4.conv.") for key in keys) or "rcnn" in name


def test_models_of_another_kind_are_refused() -> None:
    with refuses(ConfigError, "mmseg", "models", "segmentor"):
        to_naming(tiny_detector(), "mmseg")
    with refuses(ConfigError, "mmdet", "models", "detector"):
        to_naming(tiny_segmentor(), "mmdet")
    with refuses(ConfigError, "mmdet", "DINO", "official"):
        to_naming(tiny_detector(detector="dino"), "mmdet")
    with refuses(ConfigError, "mmseg", "names", "models"):
        to_naming(tiny_detector().backbone, "mmseg")
