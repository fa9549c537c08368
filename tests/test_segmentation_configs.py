"""The recipes of ADE20K and Cityscapes, compared with a table of what their authors published."""

import re

import pytest
from helpers.config_runs import ADE20K, CITYSCAPES, build, resolve

from vision.layers.drop_path import DropPath

# Learning rate at 16 images per step, weight decay, drop path, factor per stage of depth and the
# number of levels that it counts, clipping, crop: files of the configs of
# SwinTransformer/Swin-Transformer-Semantic-Segmentation, microsoft/CSWin-Transformer
# (segmentation), qhfan/RMT (segmentation), raoyongming/HorNet and facebookresearch/ConvNeXt
# (semantic_segmentation).
PUBLISHED = """
run lr wd drop decay levels clip crop
swin_tiny_upernet 6e-5 0.01 0.3 - - - 512
swin_small_upernet 6e-5 0.01 0.3 - - - 512
swin_base_upernet 6e-5 0.01 0.3 - - - 512
cswin_tiny_upernet 6e-5 0.01 0.3 - - - 512
cswin_small_upernet 6e-5 0.01 0.4 - - - 512
cswin_base_upernet 6e-5 0.01 0.6 - - - 512
rmt_small_upernet 6e-5 0.01 0.15 - - - 512
rmt_base_upernet 6e-5 0.01 0.4 - - - 512
rmt_large_upernet 6e-5 0.01 0.5 - - - 512
rmt_tiny_semantic_fpn 1e-4 1e-4 0.1 - - - 512
rmt_small_semantic_fpn 1e-4 1e-4 0.15 - - - 512
rmt_base_semantic_fpn 1e-4 1e-4 0.4 - - - 512
rmt_large_semantic_fpn 1e-4 1e-4 0.5 - - - 512
hornet_tiny_7x7_upernet 1e-4 0.05 0.4 0.9 6 - 512
hornet_tiny_gf_upernet 1e-4 0.05 0.4 0.9 6 1 512
hornet_small_7x7_upernet 1e-4 0.05 0.3 0.9 12 - 512
hornet_small_gf_upernet 1e-4 0.05 0.3 0.9 12 1 512
hornet_base_7x7_upernet 1e-4 0.05 0.4 0.9 12 - 512
hornet_base_gf_upernet 1e-4 0.05 0.5 0.9 12 1 512
hornet_large_7x7_22k_upernet_640 1e-4 0.05 0.4 0.8 12 - 640
hornet_large_gf_22k_upernet_640 1e-4 0.05 0.4 0.8 12 0.1 640
convnext_tiny_upernet 1e-4 0.05 0.4 0.9 6 - 512
convnext_small_upernet 1e-4 0.05 0.3 0.9 12 - 512
convnext_base_upernet 1e-4 0.05 0.4 0.9 12 - 512
convnext_base_22k_upernet_640 1e-4 0.05 0.4 0.9 12 - 640
convnext_large_22k_upernet_640 1e-4 0.05 0.4 0.9 12 - 640
convnext_xlarge_22k_upernet_640 8e-5 0.05 0.4 0.9 12 - 640
"""
HEADER, *LINES = (line.split() for line in PUBLISHED.strip().splitlines())
RECIPES = {line[0]: dict(zip(HEADER[1:], line[1:], strict=True)) for line in LINES}
# Trained with no published counterpart.
OWN = {"cvt_13_upernet", "tnt_small_upernet"}
# Of the authors who trained with mixed precision.
MIXED = ("rmt_small_upernet", "rmt_base_upernet", "rmt_large_upernet")
MIXED += ("convnext_tiny", "convnext_small", "convnext_base")
BY_WINDOWS = ("hornet", "convnext")
WINDOW_STRIDE = {512: 341, 640: 426}

# What has no weight decay. The constructors of ConvNeXt and HorNet exempt vectors, other configs
# of UPerNet name norms in custom_keys, RMT's of Semantic FPN exempt nothing. CvT and TNT have none
# that were published.
NO_DECAY = {
    **{"swin": "named_norms", "cswin": "named_norms", "rmt": "named_norms"},
    **{"hornet": "vectors", "convnext": "vectors", "cvt": "norms", "tnt": "norms"},
}


def test_every_recipe_is_compared() -> None:
    assert {config.stem for config in ADE20K.glob("*.yaml")} == {*RECIPES, *OWN}


@pytest.mark.parametrize("run", RECIPES)
def test_a_recipe_is_the_published_one(run: str) -> None:
    published, values = RECIPES[run], resolve(ADE20K / f"{run}.yaml")
    model, data, trainer = (
        values["model"]["init_args"],
        values["data"]["init_args"],
        values["trainer"],
    )
    optim, augment, crop = model["optim"], data["augment"], int(published["crop"])
    upernet = "upernet" in run
    assert model["segmentor"] == ("upernet" if upernet else "semantic_fpn")
    assert (model["num_classes"], model["head_options"], model["loss_options"]) == (150, None, None)
    assert optim["lr"] == float(published["lr"])
    assert optim["weight_decay"] == float(published["wd"])
    assert model["backbone_options"]["drop_path_rate"] == float(published["drop"])
    assert optim["lr_schedule"] == "poly"
    if upernet:
        assert (optim["power"], optim["min_lr"], optim["warmup_steps"]) == (1.0, 0.0, 1500)
        assert optim["warmup_lr"] == pytest.approx(1e-6 * float(published["lr"]))
    else:
        assert (optim["power"], optim["min_lr"], optim["warmup_steps"]) == (0.9, 1e-6, 0)
    assert trainer["max_steps"] == (160_000 if upernet else 80_000)
    assert optim["layer_decay"] == float(published["decay"].replace("-", "1"))
    levels = published["levels"]
    assert optim["layer_decay_depth"] == (None if levels == "-" else int(levels))
    assert optim["layer_decay_by"] == ("block" if levels == "-" else "stage")
    assert optim["no_decay"] == (NO_DECAY[run.partition("_")[0]] if upernet else "nothing")
    clip = published["clip"]
    assert trainer["gradient_clip_val"] == (None if clip == "-" else float(clip))
    assert data["batch_size"] * int(trainer["devices"]) == 16
    assert (data["short_side"], data["long_side"], data["antialias"]) == (crop, 4 * crop, False)
    assert (augment["short_side"], augment["long_side"]) == (crop, 4 * crop)
    assert (augment["crop"], augment["scale"]) == ([crop, crop], [0.5, 2.0])
    assert (augment["max_class_share"], augment["hflip"], augment["photometric"]) == (
        0.75,
        0.5,
        True,
    )
    assert trainer["sync_batchnorm"] is True
    assert trainer["precision"] == ("bf16-mixed" if run.startswith(MIXED) else "32-true") or (
        not upernet and trainer["precision"] is None
    )
    inference = model["inference"]
    assert inference["mode"] == ("slide" if run.startswith(BY_WINDOWS) else "whole")
    if run.startswith(BY_WINDOWS):
        stride = WINDOW_STRIDE[crop]
        assert (inference["window"], inference["stride"]) == ([crop, crop], [stride, stride])


def test_learning_rates_by_stage_are_those_of_the_released_code() -> None:
    # lr * 0.9 ** (levels + 1 - i), with i = 0 for stem and down-sampling, i = 4 for the last stage.
    task = build(ADE20K / "convnext_tiny_upernet.yaml")
    from vision.optim.optimizers import build_optimizer

    found = {round(g["lr"] / 1e-4, 6) for g in build_optimizer(task, task.optim).param_groups}
    assert found == {1.0, *(round(0.9**i, 6) for i in (3, 4, 5, 6, 7))}


@pytest.mark.parametrize("run", ["swin_base_upernet", "cswin_base_upernet", "rmt_base_upernet"])
def test_drop_path_reaches_the_last_block(run: str) -> None:
    task = build(ADE20K / f"{run}.yaml")
    largest = max(m.rate for m in task.modules() if isinstance(m, DropPath))
    assert largest == pytest.approx(float(RECIPES[run]["drop"]))


def test_the_head_of_a_config_states_the_published_result_or_that_there_is_none() -> None:
    for config in [*ADE20K.glob("*.yaml"), *CITYSCAPES.glob("*.yaml")]:
        head = config.read_text().partition("\nname:")[0]
        pattern = r"# Published: mIoU \d\d\.\d+ on the validation set.*\n# \(.+\)\."
        if config.parent == CITYSCAPES or config.stem in OWN:
            pattern = "# Published: none by the authors of the backbone."
        assert re.search(pattern, head), config


@pytest.mark.parametrize("config", sorted(CITYSCAPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_of_cityscapes(config: object) -> None:
    values = resolve(config)  # type: ignore[arg-type]
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    assert (model["num_classes"], data["batch_size"] * int(values["trainer"]["devices"])) == (19, 8)
    assert (data["short_side"], data["long_side"], data["augment"]["crop"]) == (
        None,
        None,
        [512, 1024],
    )


# Parameters in millions that the papers state, auxiliary head included. CSWin's say 60 of CSWin-T,
# which is 8 more than its config makes.
SIZES = {
    **{"swin_tiny_upernet": 60, "swin_small_upernet": 81, "swin_base_upernet": 121},
    **{"cswin_small_upernet": 65, "cswin_base_upernet": 109},
    **{"hornet_tiny_7x7_upernet": 52, "hornet_small_7x7_upernet": 81},
    **{"hornet_tiny_gf_upernet": 55, "hornet_small_gf_upernet": 85, "hornet_base_gf_upernet": 126},
    **{"hornet_large_gf_22k_upernet_640": 239, "rmt_small_upernet": 56},
    **{"convnext_tiny_upernet": 60, "convnext_small_upernet": 82, "convnext_base_upernet": 122},
    **{"rmt_base_upernet": 83, "rmt_large_upernet": 125},
    "convnext_large_22k_upernet_640": 235,
}


@pytest.mark.parametrize("run", SIZES)
def test_a_model_has_the_published_number_of_parameters(run: str) -> None:
    count = sum(p.numel() for p in build(ADE20K / f"{run}.yaml").parameters())
    assert abs(count / 1e6 - SIZES[run]) < 1.0
