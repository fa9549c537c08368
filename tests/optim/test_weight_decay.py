"""What decays under each rule, parameter by parameter, against lists made from published code."""

import re
from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from torch import nn

from vision.errors import ConfigError
from vision.optim.optimizers import build_optimizer
from vision.optim.settings import OptimSettings
from vision.tasks.classification import Classification
from vision.weights.names.published_names import published_names
from vision.weights.names.write import to_naming

# Options under which a family has each kind of parameter that it can have.
WITH_EVERYTHING: dict[str, dict[str, Any]] = {
    "swin": {"ape": True},
    "rmt": {"layer_scales": (False, False, True, True)},
}
# Tables of positions and class tokens, which the authors' `no_weight_decay` names.
TABLES = (
    r"backbone\.(absolute_pos_embed|stages\.\d\.\d\.attn\.relative_position_bias_table"
    r"|embeds\.2\.class_token|class_token|inner_pos|outer_pos)"
)
LAYER_SCALES = r"backbone\.stages\.\d\.\d\.gamma\d?"
# Norms in whose published name there is no "norm". RMT: patch_embed.proj.1, 4, 7 and 10; CSWin:
# stage1_conv_embed.2; ConvNeXt and HorNet: downsample_layers.0.1, 1.0, 2.0 and 3.0.
UNNAMED_NORMS = {
    "swin": r"-",
    "cswin": r"backbone\.downsample\.0\.1\.(weight|bias)",
    "rmt": r"backbone\.stem\.(1|4|7|10)\.(weight|bias)",
    "hornet_gf": r"backbone\.downsample\.(0\.1|[123]\.0)\.(weight|bias)",
    "convnext": r"backbone\.downsample\.(0\.1|[123]\.0)\.(weight|bias)",
}
# Those of mmdetection's and mmsegmentation's heads are "bn".
HEAD_NORMS = r"(head|auxiliary)\..*\.norm\.(weight|bias)"
NORMS = (nn.LayerNorm, nn.BatchNorm2d, nn.GroupNorm)


def backbone_options(family: str) -> dict[str, Any]:
    name, options = TINY[family]
    return {**options, **WITH_EVERYTHING.get(name, {})}


def make(kind: str, family: str, **optim: Any) -> Any:
    options = {"backbone_options": backbone_options(family), "optim": OptimSettings(**optim)}
    if kind == "detector":
        return tiny_detector(family, "cascade_mask_rcnn", **options)
    if kind == "segmentor":
        return tiny_segmentor(family, "upernet", **options)
    return Classification(TINY[family][0], num_classes=3, **options)


def decaying(task: Any) -> set[str]:
    """Names of the parameters that the optimiser of a task decays."""
    names = {id(p): name for name, p in task.named_parameters()}
    return {
        names[id(p)]
        for group in build_optimizer(task, task.optim).param_groups
        for p in group["params"]
        if group["weight_decay"] > 0
    }


def norms(task: Any) -> set[str]:
    return {
        f"{prefix}.{name}"
        for prefix, part in task.named_modules()
        if isinstance(part, NORMS)
        for name, _ in part.named_parameters()
    }


def matching(task: Any, *patterns: str) -> set[str]:
    names = (name for name, _ in task.named_parameters())
    return {name for name in names if any(re.fullmatch(pattern, name) for pattern in patterns)}


@pytest.mark.parametrize("family", [f for f in TINY if f != "hornet_7x7"])
def test_vectors_do_not_decay_in_classification_but_for_the_layer_scales_of_rmt(
    family: str,
) -> None:
    task = make("classifier", family)
    vectors = {name for name, p in task.named_parameters() if p.ndim <= 1}
    if family == "rmt":
        scales = matching(task, LAYER_SCALES)
        assert len(scales) == 2 * 3  # of the two blocks of stage 3 and the one of stage 4
        vectors -= scales
    every = {name for name, _ in task.named_parameters()}
    assert decaying(task) == every - vectors - matching(task, TABLES)


@pytest.mark.parametrize("kind", ["detector", "segmentor"])
@pytest.mark.parametrize("family", UNNAMED_NORMS)
def test_named_norms_follow_the_names_of_the_published_code(kind: str, family: str) -> None:
    task = make(kind, family, no_decay="named_norms")
    every = {name for name, _ in task.named_parameters()}
    unnamed = matching(task, UNNAMED_NORMS[family], HEAD_NORMS)
    assert bool(matching(task, UNNAMED_NORMS[family])) == (family != "swin")
    assert matching(task, HEAD_NORMS)
    assert unnamed <= norms(task)
    assert decaying(task) == every - (norms(task) - unnamed) - matching(task, TABLES)


@pytest.mark.parametrize("family", ["swin", "cswin", "rmt", "hornet_gf", "convnext"])
def test_as_many_numbers_decay_as_by_mmcvs_rule_on_the_authors_state_dict(family: str) -> None:
    task = make("segmentor", family, no_decay="named_norms")
    buffers = ("relative_position_index", "running_mean", "running_var", "num_batches_tracked")
    keys = ("absolute_pos_embed", "relative_position_bias_table", "norm", "Relpos", *buffers)
    theirs = to_naming(task.backbone, "official")
    expected = sum(p.numel() for name, p in theirs.items() if not any(k in name for k in keys))
    found = decaying(task)
    parameters = task.backbone.named_parameters(prefix="backbone")
    assert sum(p.numel() for name, p in parameters if name in found) == expected


@pytest.mark.parametrize("kind", ["detector", "segmentor"])
@pytest.mark.parametrize("family", ["cvt", "tnt", "rmt"])
def test_norms_of_every_name_do_not_decay_where_the_recipe_says_so(kind: str, family: str) -> None:
    task = make(kind, family, no_decay="norms")
    every = {name for name, _ in task.named_parameters()}
    assert decaying(task) == every - norms(task) - matching(task, TABLES)


@pytest.mark.parametrize("family", ["rmt", "swin"])
def test_everything_decays_where_the_recipe_says_so(family: str) -> None:
    task = make("segmentor", family, no_decay="nothing")
    assert decaying(task) == {name for name, _ in task.named_parameters()}


def test_biases_alone() -> None:
    task = make("segmentor", "swin", no_decay="biases")
    biases = {name for name, _ in task.named_parameters() if name.endswith(".bias")}
    assert decaying(task) == {name for name, _ in task.named_parameters()} - biases - matching(
        task, TABLES
    )
    assert norms(task) - biases <= decaying(task)


def test_an_unknown_rule_is_refused() -> None:
    with refuses(ConfigError, "no_decay='bias'", "'vectors'", "'norms'"):
        OptimSettings(no_decay="bias")


def test_published_names_by_hand() -> None:
    named = published_names(make("detector", "rmt"))
    assert named["backbone.stem.1.weight"] == "backbone.patch_embed.proj.1.weight"
    assert named["backbone.downsample.0.1.bias"] == "backbone.layers.0.downsample.norm.bias"
    assert named["backbone.stages.2.0.gamma1"] == "backbone.layers.2.blocks.0.gamma_1"
    assert named["backbone.stages.0.0.norm1.weight"] == (
        "backbone.layers.0.blocks.0.retention_layer_norm.weight"
    )
    assert named["backbone.out_norms.3.bias"] == "backbone.extra_norms.3.bias"
    assert named["head.box_heads.1.convs.0.norm.weight"] == (
        "roi_head.bbox_head.1.shared_convs.0.bn.weight"
    )
    assert named["neck.fpn.laterals.0.weight"] == "neck.lateral_convs.0.conv.weight"
    segmentor = published_names(make("segmentor", "cswin"))
    assert segmentor["backbone.downsample.0.1.weight"] == "backbone.stage1_conv_embed.2.weight"
    assert segmentor["backbone.downsample.1.1.weight"] == "backbone.merge1.norm.weight"
    assert segmentor["head.fusion.norm.weight"] == "decode_head.fpn_bottleneck.bn.weight"
