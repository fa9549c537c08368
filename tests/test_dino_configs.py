"""The recipes of DINO on COCO: what its authors published, and that the rest goes together."""

import re
from pathlib import Path

import pytest
from helpers.config_runs import COCO_DINO, ROOT, build, resolve
from torch import nn

from vision.optim.groups import parameter_groups
from vision.optim.weight_decay import undecayed_names

# Box AP on val2017 in percent, as IDEA-Research/DINO: README.md has it, and the epochs after which
# the rate falls: config/DINO/DINO_4scale.py for 12 epochs, mmdetection's configs/dino for others.
PUBLISHED = """
run AP milestones
resnet50_dino_12e 49.0 11
resnet50_dino_24e 50.4 20
resnet50_dino_36e 50.9 30
resnet50_5scale_dino_12e 49.4 11
resnet50_5scale_dino_24e 51.3 20
resnet50_5scale_dino_36e 51.2 30
swin_large_22k_dino_12e 56.8 11
swin_large_22k_dino_36e 58.0 27,33
swin_large_22k_5scale_dino_12e 57.3 11
swin_large_22k_5scale_dino_36e 58.5 27,33
"""
RECIPES = {line.split()[0]: line.split()[1:] for line in PUBLISHED.strip().splitlines()[1:]}
# Drop path, which the recipes of the same backbones with Mask R-CNN have.
OTHERS = {
    **{"swin_tiny": 0.2, "cswin_tiny": 0.2, "cvt_13": 0.1, "tnt_small": 0.1, "rmt_tiny": 0.1},
    **{"hornet_tiny_7x7": 0.4, "convnext_tiny": 0.4},
}
MULTI_SCALE = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
DINO = pytest.mark.parametrize("config", COCO_DINO, ids=lambda path: path.stem)
RESNET, RESNET_5 = (
    next(config for config in COCO_DINO if config.stem == stem)
    for stem in ("resnet50_dino_12e", "resnet50_5scale_dino_12e")
)


def test_every_family_is_there_and_says_what_is_published() -> None:
    assert {config.stem for config in COCO_DINO} == {
        *RECIPES,
        *(f"{name}_dino_12e" for name in OTHERS),
    }
    for config in COCO_DINO:
        head = config.read_text().partition("\nname:")[0]
        assert "# Ours: not run." in head
        if config.stem in RECIPES:
            stated = f"# Published: box AP {RECIPES[config.stem][0]} on val2017 (IDEA-Research/DINO"
            assert stated in head
        else:
            assert "# Published: none" in head


@DINO
def test_a_recipe_is_the_published_one(config: Path) -> None:
    values = resolve(config)
    model, data, trainer = (
        values["model"]["init_args"],
        values["data"]["init_args"],
        values["trainer"],
    )
    optim, augment = model["optim"], data["augment"]
    assert (model["detector"], model["num_classes"]) == ("dino", 80)
    assert (optim["name"], optim["lr"], optim["backbone_lr"]) == ("adamw", 1e-4, 0.1)
    assert (optim["weight_decay"], optim["no_decay"]) == (1e-4, "nothing")
    assert optim["betas"] == [0.9, 0.999]
    assert (optim["warmup_epochs"], optim["warmup_steps"], optim["gamma"]) == (0, 0, 0.1)
    epochs = int(config.stem.rpartition("_")[2].removesuffix("e"))
    milestones = RECIPES.get(config.stem, ["", "11"])[1]
    assert optim["lr_schedule"] == "steps"
    assert optim["milestones"] == [int(epoch) for epoch in milestones.split(",")]
    assert trainer["max_epochs"] == epochs
    assert (trainer["gradient_clip_val"], trainer["precision"]) == (0.1, "32-true")
    assert data["batch_size"] * int(trainer["devices"]) * int(trainer["num_nodes"]) == 16
    assert augment["short_sides"] == MULTI_SCALE
    assert (augment["crop"], augment["hflip"]) == ("detr", 0.5)
    assert (augment["crop_sides"], augment["crop_size"]) == ([400, 500, 600], [384, 600])
    assert (data["short_side"], data["long_side"], augment["long_side"]) == (800, 1333, 1333)
    # Every image is trained on, in any order, for its boxes; Pillow antialiases.
    assert (data["keep_empty"], data["group_by_aspect"], data["masks"]) == (True, False, False)
    assert data["antialias"] is True
    assert not any(augment[name] for name in ("mosaic", "mixup", "copy_paste", "photometric"))
    drop = model["backbone_options"]["drop_path_rate"] if model["backbone_options"] else None
    family = config.stem.partition("_dino")[0]
    if family in OTHERS:
        assert drop == OTHERS[family]
    elif family.startswith("swin"):
        assert (drop, model["memory"]) == (0.2, "checkpoint")
    head = {"queries": 100, "label_noise": 0.5, "box_noise": 1.0}
    assert model["head_options"]["denoising"] == head
    assert model["head_options"]["num_queries"] == 900
    assert model["loss_options"] == {"crowd_iof": None}


@DINO
def test_queries_read_four_or_five_maps(config: Path) -> None:
    task = build(config)
    strides = [spec.stride for spec in task.neck.feature_specs]
    assert strides == ([4, 8, 16, 32] if "_5scale_" in config.stem else [8, 16, 32])
    assert len(task.head.projections.maps) + len(task.head.projections.coarser) == len(strides) + 1


def test_the_published_model_is_frozen_and_grouped_as_its_authors_have_it() -> None:
    for config, count in ((RESNET, 3), (RESNET_5, 4)):
        task = build(config)
        trained = {n for n, p in task.backbone.named_parameters() if p.requires_grad}
        assert {name.split(".")[1] for name in trained} == {"layer2", "layer3", "layer4"}
        norms = {n for n, m in task.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
        assert not trained & {f"{name}.{part}" for name in norms for part in ("weight", "bias")}
        # 42 convolutions of the last three stages of a ResNet-50, three of them shortcuts.
        assert len(trained) == 42
        assert len(task.neck.feature_specs) == count
        groups = parameter_groups(
            task, weight_decay=1e-4, backbone_lr=0.1, undecayed=undecayed_names(task, "nothing")
        )
        lr = resolve(config)["model"]["init_args"]["optim"]["lr"]
        rates = [(lr * group.lr_scale, group.weight_decay) for group in groups]
        assert rates == [(pytest.approx(1e-5), 1e-4), (1e-4, 1e-4)]
        backbone, rest = groups
        assert {name.removeprefix("backbone.") for name in backbone.names} == trained
        assert not any(name.startswith("backbone.") for name in rest.names)
        every = {n for n, p in task.named_parameters() if p.requires_grad}
        assert {*backbone.names, *rest.names} == every
        # The weights of all convolutions of a ResNet-50 less those of the stem and the first stage.
        size = sum(parameter.numel() for parameter in backbone.parameters)
        assert size == 23_454_912 - 9_408 - 212_992


@DINO
def test_the_page_of_recipes_lists_every_run(config: Path) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    name = config.relative_to(ROOT / "configs").with_suffix("").as_posix()
    (row,) = re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE)
    assert row.endswith("| not run |"), row
    assert RECIPES.get(config.stem, ["-"])[0] in row
