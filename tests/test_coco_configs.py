"""The recipes of COCO, compared with a table of what their authors published.

Those with DINO are in test_dino_configs.
"""

import re

import pytest
from helpers.config_runs import COCO, COCO_DINO, build, resolve

from vision.layers.drop_path import DropPath

# Learning rate at 16 images per step, weight decay, drop path, and the factor per level of depth:
# files of the configs of SwinTransformer/Swin-Transformer-Object-Detection, qhfan/RMT (detect),
# raoyongming/HorNet and facebookresearch/ConvNeXt (object_detection); for CSWin see its configs.
PUBLISHED = """
run lr wd drop decay
swin_tiny_mask_rcnn_1x 0.0001 0.05 0.1 -
swin_tiny_mask_rcnn_3x 0.0001 0.05 0.2 -
swin_small_mask_rcnn_3x 0.0001 0.05 0.2 -
swin_tiny_cascade_mask_rcnn_1x 0.0001 0.05 0.0 -
swin_tiny_cascade_mask_rcnn_3x 0.0001 0.05 0.2 -
swin_small_cascade_mask_rcnn_3x 0.0001 0.05 0.2 -
swin_base_cascade_mask_rcnn_3x 0.0001 0.05 0.3 -
cswin_tiny_mask_rcnn_1x 0.0001 0.05 0.2 -
cswin_tiny_mask_rcnn_3x 0.0001 0.05 0.2 -
cswin_tiny_cascade_mask_rcnn_3x 0.0001 0.05 0.2 -
cswin_small_mask_rcnn_1x 0.0001 0.05 0.4 -
cswin_small_mask_rcnn_3x 0.0001 0.05 0.4 -
cswin_small_cascade_mask_rcnn_3x 0.0001 0.05 0.4 -
cswin_base_mask_rcnn_1x 0.0001 0.05 0.5 -
cswin_base_mask_rcnn_3x 0.0001 0.05 0.5 -
cswin_base_cascade_mask_rcnn_3x 0.0001 0.05 0.5 -
rmt_tiny_retinanet_1x 0.0004 0.0001 0.1 -
rmt_tiny_mask_rcnn_1x 0.0004 0.05 0.1 -
rmt_small_retinanet_1x 0.0004 0.0001 0.15 -
rmt_small_mask_rcnn_1x 0.0004 0.05 0.15 -
rmt_base_retinanet_1x 0.0004 0.0001 0.4 -
rmt_base_mask_rcnn_1x 0.0004 0.05 0.4 -
rmt_large_retinanet_1x 0.0002 0.0001 0.5 -
rmt_large_mask_rcnn_1x 0.0002 0.05 0.5 -
rmt_small_mask_rcnn_3x 0.0004 0.05 0.15 -
rmt_base_mask_rcnn_3x 0.0002 0.05 0.4 -
rmt_small_cascade_mask_rcnn_3x 0.0004 0.05 0.15 -
rmt_base_cascade_mask_rcnn_3x 0.0002 0.05 0.4 -
hornet_tiny_7x7_cascade_mask_rcnn_3x 0.0002 0.05 0.4 0.7
hornet_tiny_gf_cascade_mask_rcnn_3x 0.0002 0.05 0.4 0.7
hornet_small_7x7_cascade_mask_rcnn_3x 0.0002 0.05 0.6 0.7
hornet_small_gf_cascade_mask_rcnn_3x 0.0002 0.05 0.6 0.7
hornet_base_7x7_cascade_mask_rcnn_3x 0.0002 0.05 0.7 0.8
hornet_base_gf_cascade_mask_rcnn_3x 0.0002 0.05 0.7 0.8
hornet_large_7x7_cascade_mask_rcnn_3x 0.0001 0.05 0.7 0.7
hornet_large_gf_cascade_mask_rcnn_3x 0.0001 0.05 0.7 0.7
hornet_small_7x7_mask_rcnn_1x 0.0001 0.05 0.6 0.95
hornet_small_7x7_mask_rcnn_horfpn_7x7_1x 0.0001 0.05 0.6 0.95
hornet_small_7x7_mask_rcnn_horfpn_gf_1x 0.0001 0.05 0.6 0.95
convnext_tiny_mask_rcnn_3x 0.0001 0.05 0.4 0.95
convnext_tiny_cascade_mask_rcnn_3x 0.0002 0.05 0.4 0.7
convnext_small_cascade_mask_rcnn_3x 0.0002 0.05 0.6 0.7
convnext_base_cascade_mask_rcnn_3x 0.0002 0.05 0.7 0.8
convnext_base_22k_cascade_mask_rcnn_3x 0.0001 0.05 0.6 0.8
convnext_large_22k_cascade_mask_rcnn_3x 0.0001 0.05 0.7 0.7
convnext_xlarge_22k_cascade_mask_rcnn_3x 0.0001 0.05 0.8 0.7
"""
HEADER, *LINES = (line.split() for line in PUBLISHED.strip().splitlines())
RECIPES = {line[0]: dict(zip(HEADER[1:], line[1:], strict=True)) for line in LINES}
EPOCHS = {"1x": (12, [8, 11]), "3x": (36, [27, 33])}
# Levels from the stem to what follows the backbone, by the authors' num_layers (6 or 12).
LEVELS = {"convnext_tiny": 7}
MULTI_SCALE = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
# Trained without mixed precision.
FLOAT32 = ("hornet", "convnext_xlarge")
# What has no weight decay. The constructors of ConvNeXt and HorNet exempt vectors. The configs of
# Swin, from which CSWin's paper takes its settings, name norms in custom_keys, as do RMT,
# but for RetinaNet, which exempts nothing, and Cascade Mask R-CNN, which adds norm_decay_mult=0.
NAMED = {"mask_rcnn": "named_norms", "cascade_mask_rcnn": "named_norms"}
VECTORS = {"mask_rcnn": "vectors", "cascade_mask_rcnn": "vectors"}
NO_DECAY = {
    **{"swin": NAMED, "cswin": NAMED, "hornet": VECTORS, "convnext": VECTORS},
    "rmt": {"mask_rcnn": "named_norms", "cascade_mask_rcnn": "norms", "retinanet": "nothing"},
}
# Their figures stand in a table of HorNet's paper alone.
UNREAD = {run for run in RECIPES if run.startswith("hornet_small_7x7_mask_rcnn")}
NECKS = {"horfpn_7x7": {"output": "gnconv"}, "horfpn_gf": {"output": "gnconv_gf"}}
DETECTORS = ("cascade_mask_rcnn", "mask_rcnn", "retinanet")
CONFIGS = sorted({*COCO.glob("*.yaml")} - {*COCO_DINO})


def test_every_recipe_is_compared() -> None:
    assert {config.stem for config in CONFIGS} == set(RECIPES)


@pytest.mark.parametrize("run", RECIPES)
def test_a_recipe_is_the_published_one(run: str) -> None:
    published, values = RECIPES[run], resolve(COCO / f"{run}.yaml")
    model, data, trainer = (
        values["model"]["init_args"],
        values["data"]["init_args"],
        values["trainer"],
    )
    optim, augment, schedule = model["optim"], data["augment"], run.rpartition("_")[2]
    detector = next(name for name in DETECTORS if name in run)
    backbone = run.partition(f"_{detector}")[0].removesuffix("_22k")
    assert (model["detector"], model["backbone"], model["num_classes"]) == (detector, backbone, 80)
    assert optim["lr"] == float(published["lr"])
    assert optim["warmup_lr"] == pytest.approx(float(published["lr"]) * 0.001)
    assert (optim["warmup_steps"], optim["min_lr"], optim["gamma"]) == (500, 0.0, 0.1)
    assert (optim["lr_schedule"], optim["betas"]) == ("steps", [0.9, 0.999])
    assert (trainer["max_epochs"], optim["milestones"]) == EPOCHS[schedule]
    assert optim["weight_decay"] == float(published["wd"])
    assert optim["no_decay"] == NO_DECAY[run.partition("_")[0]][detector]
    assert model["backbone_options"]["drop_path_rate"] == float(published["drop"])
    assert optim["layer_decay"] == (1.0 if published["decay"] == "-" else float(published["decay"]))
    assert trainer["gradient_clip_val"] is None
    assert data["batch_size"] * int(trainer["devices"]) == 16
    assert (data["short_side"], data["long_side"], augment["long_side"]) == (800, 1333, 1333)
    assert data["antialias"] is False
    # The authors of Swin and of HorNet train at many scales in 1x too.
    many = schedule == "3x" or run.startswith(("swin", "hornet"))
    assert augment["short_sides"] == (MULTI_SCALE if many else [800])
    assert augment["crop"] == ("detr" if many else "none")
    assert (augment["crop_sides"], augment["crop_size"]) == ([400, 500, 600], [384, 600])
    assert trainer["sync_batchnorm"] is (detector == "cascade_mask_rcnn")
    assert trainer["precision"] == ("32-true" if run.startswith(FLOAT32) else "bf16-mixed")
    part = "loss_options" if detector == "retinanet" else "head_options"
    assert model[part] == {"crowd_iof": None}
    neck = next((options for name, options in NECKS.items() if name in run), {})
    assert (model.get("neck_options") or {}) == neck


@pytest.mark.parametrize("run", [run for run in RECIPES if RECIPES[run]["decay"] != "-"])
def test_levels_of_decay_are_the_published_ones(run: str) -> None:
    levels = len(build(COCO / f"{run}.yaml").backbone.decay_groups())
    assert levels == next((n for name, n in LEVELS.items() if run.startswith(name)), 13)


def test_drop_path_reaches_the_last_block() -> None:
    task = build(COCO / "swin_base_cascade_mask_rcnn_3x.yaml")
    assert max(m.rate for m in task.modules() if isinstance(m, DropPath)) == pytest.approx(0.3)


def test_the_head_of_a_config_states_the_published_result() -> None:
    for config in CONFIGS:
        head = config.read_text().partition("\nname:")[0]
        masks = "retinanet" not in config.stem
        number = r"\?" if config.stem in UNREAD else r"\d\d\.\d"
        pattern = f"# Published: box AP {number}" + (f", mask AP {number}" if masks else "")
        assert re.search(pattern + r" on val2017 \(.+\)\.", head), config


# Parameters in millions that the papers of RMT, Swin, ConvNeXt and HorNet state.
SIZES = {
    **{"swin_tiny_mask_rcnn_1x": 48, "swin_small_mask_rcnn_3x": 69},
    **{"rmt_tiny_mask_rcnn_1x": 33, "rmt_small_mask_rcnn_1x": 46, "rmt_base_mask_rcnn_1x": 73},
    **{"convnext_tiny_mask_rcnn_3x": 48, "swin_tiny_cascade_mask_rcnn_3x": 86},
    **{"swin_base_cascade_mask_rcnn_3x": 145, "convnext_base_cascade_mask_rcnn_3x": 146},
    **{"hornet_tiny_7x7_cascade_mask_rcnn_3x": 80, "rmt_small_cascade_mask_rcnn_3x": 83},
}


@pytest.mark.parametrize("run", SIZES)
def test_a_detector_has_the_published_number_of_parameters(run: str) -> None:
    count = sum(p.numel() for p in build(COCO / f"{run}.yaml").parameters())
    assert count / 1e6 == pytest.approx(SIZES[run], abs=0.7)
