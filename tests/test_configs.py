"""The command of every config works: small ones train a step on fake data, large ones build.

The recipes of ImageNet are compared with a table of what their authors published, written out here;
COCO's are in test_coco_configs, ADE20K's and Cityscapes' in test_segmentation_configs, those of
depth and normals in test_dense_configs, those of panoptic segmentation in test_panoptic_configs,
those of boxes in space in test_detection3d_configs, those of volumes in test_volumes_configs, those
of points in test_points_configs.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from helpers.config_data import FAKE_DATA
from helpers.config_runs import (
    ADE20K,
    BASES,
    CITYSCAPES,
    COCO,
    CONFIGS,
    DENSE,
    DEPTH_KITTI,
    DETECTION3D,
    IMAGENET,
    NORMALS_NYUV2,
    PANOPTIC,
    POINTS,
    ROOT,
    VOLUMES,
    build,
    command,
    resolve,
    without_files,
)

from vision.cli.config_files import users_of
from vision.cli.main import main
from vision.cli.names import find_class
from vision.cli.settings import find_configs, read_settings
from vision.data.base.boxes3d import Boxes3DData
from vision.data.base.dense import DenseData
from vision.data.base.lidar import LidarData
from vision.data.base.panoptic import PanopticData
from vision.data.base.points import PointData
from vision.data.base.segmentation import SegmentationData
from vision.data.base.volumes import VolumeData
from vision.data.datasets.imagenet import ImageNet
from vision.data.transforms.boxes3d_options import Boxes3DAugment
from vision.data.transforms.dense_options import DenseAugment
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.lidar_options import LidarAugment
from vision.data.transforms.options import Augment
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.data.transforms.rooms_options import PointAugment
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.data.transforms.volumes_options import VolumeAugment
from vision.layers.drop_path import DropPath

# Of ImageNet's configs one of each family trains, the smallest, and those that add to another; of
# COCO's the smallest with RetinaNet and with DINO: Mask R-CNN trains with the template for COCO's
# format, and a step of Cascade R-CNN takes more than a minute. Of ADE20K's and Cityscapes' one of
# each head, the smallest.
TRAINED = (
    *("swin_tiny", "cswin_tiny", "cvt_13", "tnt_small", "rmt_tiny", "convnext_tiny"),
    *("hornet_tiny_7x7", "hornet_tiny_gf"),
)
ADDED = ("linear_probe", "frozen_stages")
ADDED_PARTS = [part for part in BASES if part.stem in ADDED]
TRAINED_DETECTORS = ("rmt_tiny_retinanet_1x", "rmt_tiny_dino_12e")
TRAINED_SEGMENTORS = (
    *(ADE20K / "rmt_tiny_semantic_fpn.yaml", ADE20K / "convnext_tiny_upernet.yaml"),
    *(CITYSCAPES / "rmt_tiny_semantic_fpn.yaml", CITYSCAPES / "cvt_13_upernet.yaml"),
)
# Of depth's and normals' one each: the heads differ in the last layer alone.
TRAINED_DENSE = (
    DEPTH_KITTI / "convnext_tiny_dpt.yaml",
    NORMALS_NYUV2 / "rmt_tiny_dpt.yaml",
)
# Of panoptic segmentation's one, with a small head.
TRAINED_PANOPTIC = (PANOPTIC[0] / "rmt_tiny_kmax.yaml",)
# Of boxes in space the published one, with a small head.
TRAINED_3D = (DETECTION3D / "resnet50_monodetr.yaml",)


def is_trained(config: Path) -> bool:
    """Whether the config trains a step here; the others are too large."""
    if config.parent == COCO:
        return config.stem in TRAINED_DETECTORS
    if config.parent in (ADE20K, CITYSCAPES):
        return config in TRAINED_SEGMENTORS
    if config.parent in DENSE:
        return config in TRAINED_DENSE
    if config.parent in PANOPTIC:
        return config in TRAINED_PANOPTIC
    if config.parent == DETECTION3D.parent / "waymo":
        return False
    if config.parent == DETECTION3D:
        return config in TRAINED_3D
    if config.is_relative_to(VOLUMES):
        return config.parent in (VOLUMES, VOLUMES / "folder")
    if config.is_relative_to(POINTS):
        return config.parent in (POINTS, POINTS / "folder")
    return config.parent != IMAGENET or config.stem.removesuffix("_linear") in TRAINED


def name_of(config: Path) -> str:
    return config.relative_to(ROOT / "configs").with_suffix("").as_posix()


def settings_of(*arguments: str) -> dict[str, Any]:
    """What arguments of `fit` set, with their configs, and with what these build on."""
    return {one.plain_key: one.value for one in read_settings(find_configs(arguments))}


def parametrized(configs: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("config", configs, ids=lambda path: str(path.relative_to(ROOT)))


@parametrized([config for config in [*CONFIGS, *ADDED_PARTS] if is_trained(config)])
def test_a_command_trains_one_step(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = without_files(command(config))
    data = settings_of(*arguments[1:])["data.class_path"].rpartition(".")[2]
    options = [*FAKE_DATA[data](tmp_path / "data"), "--trainer.fast_dev_run", "1"]
    code = main([*arguments, *options, "--trainer.accelerator", "cpu"])
    assert code == 0, capsys.readouterr().err
    assert not Path("runs").exists()


@parametrized([config for config in CONFIGS if not is_trained(config)])
def test_the_parts_of_a_large_config_build(config: Path) -> None:
    options = resolve(config)["data"]["init_args"]
    kind = find_class("data", resolve(config)["data"]["class_path"], source="")
    augment = Augment if kind is ImageNet else DetectionAugment
    for base, own in (
        (SegmentationData, SegmentationAugment),
        (DenseData, DenseAugment),
        (PanopticData, PanopticAugment),
        (Boxes3DData, Boxes3DAugment),
        (LidarData, LidarAugment),
        (VolumeData, VolumeAugment),
        (PointData, PointAugment),
    ):
        augment = own if issubclass(kind, base) else augment
    data = kind(**{**options, "augment": augment(**options["augment"])})
    assert data.batch_size == options["batch_size"]
    assert next(build(config).backbone.parameters()).is_meta


@parametrized(CONFIGS)
def test_a_config_opens_with_its_card(config: Path) -> None:
    head = config.read_text().partition("\nname:")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for word in ("Published:", "Ours:", "Hardware:"):
        assert word in head
    arguments = command(config)
    files = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--config"]
    assert files == [name_of(config)]


@parametrized(BASES)
def test_a_part_opens_with_how_it_is_used(config: Path) -> None:
    head = config.read_text().partition("\nmodel:")[0]
    used = f"base: ../../_base/{config.name}" in head
    assert used is (config.stem not in ADDED)
    assert used == bool(users_of(config))
    if not used:
        assert ["--config", name_of(config)] == command(config)[3:5]


def test_runs_have_names_of_their_own() -> None:
    names = [settings_of("--config", str(config))["name"] for config in CONFIGS]
    assert len(set(names)) == len(names)


@parametrized(CONFIGS)
def test_a_config_makes_a_run_by_itself(config: Path) -> None:
    needed = {"name", "model.class_path", "model.backbone", "data.class_path"}
    assert needed - settings_of("--config", name_of(config)).keys() == set()


def test_a_part_alone_is_an_error_that_says_what_builds_on_it(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    for part in BASES:
        assert main(["fit", "--config", str(part), "--data.root", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert f"{part}' makes no run by itself" in error
        assert ("--config NAME" if part.stem in ADDED else str(users_of(part)[0])) in error


def test_a_config_whose_base_is_not_named_is_an_error_that_lists_them(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(re.sub(r"base: .*\n", "", (COCO / "swin_tiny_mask_rcnn_3x.yaml").read_text()))
    assert main(["fit", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert "needs a task and a dataset" in error
    assert "base: " in error
    assert all(f"_base/{part.stem}" in error for part in BASES)


def test_the_page_of_recipes_lists_every_run_on_imagenet() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    runs = [config.name for config in CONFIGS if config.parent == IMAGENET]
    assert [name for name in runs if f"`{name}`" not in page] == []
    named = set(re.findall(r"configs/[\w/]+\.yaml", page))
    assert [path for path in named if not (ROOT / path).is_file()] == []


# What the authors published, read in their repositories (docs/recipes.md names the files): images
# per optimiser step, then the lr that this batch gets, lr at the end and at the start of the
# warm-up, length of the warm-up, epochs in all and those at min_lr, weight decay, drop path,
# clipping, average of the weights, draws per image, crop in evaluation, filter of the training
# crops, how often lr changes and where its cosine begins.
PUBLISHED = """
run              batch   lr  min_lr warm_lr warm epochs cool wd drop clip     ema repeats  crop filter   lr_per cosine_from
swin_tiny         1024 1e-3    1e-5    1e-6   20    300    0  .05   .2    5       -       1 .875 bicubic  step   start
swin_small        1024 1e-3    1e-5    1e-6   20    300    0  .05   .3    5       -       1 .875 bicubic  step   start
swin_base         1024 1e-3    1e-5    1e-6   20    300    0  .05   .5    5       -       1 .875 bicubic  step   start
cswin_tiny        2048 2e-3    1e-5    1e-6   20    310   10  .05   .2    -  .99984       1 .9   random   epoch  start
cswin_small       2048 2e-3    1e-5    1e-6   20    310   10  .05   .4    -  .99984       1 .9   random   epoch  start
cswin_base        1024 1e-3    1e-5    1e-6   20    310   10   .1   .5    -  .99992       1 .9   random   epoch  start
cvt_13            2048 2e-3    1e-5    1e-6    5    300    0  .05   .1    -       -       1 .875 bicubic  epoch  start
cvt_21            2048 2e-3    1e-5    1e-6    5    300    0   .1   .1    -       -       3 .875 bicubic  epoch  start
tnt_small         1024 1e-3    1e-5    1e-6    5    310   10  .05   .1    -  .99996       3 .9   random   epoch  start
tnt_base          1024 1e-3    1e-5    1e-6    5    310   10  .05   .1    -  .99996       3 .9   random   epoch  start
rmt_tiny          2048 2e-3    1e-5    1e-6    5    300    0  .05   .1    -  .99984       3 .875 bicubic  epoch  start
rmt_small         2048 2e-3    1e-5    1e-6    5    300    0  .05  .15    -  .99984       3 .875 bicubic  epoch  start
rmt_base          2048 2e-3    1e-5    1e-6    5    300    0  .05   .4    -  .99984       3 .875 bicubic  epoch  start
rmt_large         2048 2e-3    1e-5    1e-6    5    300    0  .05   .5    -  .99984       3 .875 bicubic  epoch  start
hornet_tiny_7x7   4096 4e-3    1e-6       0   20    300    0  .05   .2  100   .9999       1 .875 bicubic  step   warmup_end
hornet_tiny_gf    4096 4e-3    1e-6       0   20    300    0  .05   .2    1   .9999       1 .875 bicubic  step   warmup_end
hornet_small_7x7  4096 4e-3    1e-6       0   20    300    0  .05   .4    5   .9999       1 .875 bicubic  step   warmup_end
hornet_small_gf   4096 4e-3    1e-6       0   20    300    0  .05   .4    1   .9999       1 .875 bicubic  step   warmup_end
hornet_base_7x7   4096 4e-3    1e-6       0   20    300    0  .05   .5    5   .9999       1 .875 bicubic  step   warmup_end
hornet_base_gf    4096 4e-3    1e-6       0   20    300    0  .05   .5    1   .9999       1 .875 bicubic  step   warmup_end
convnext_tiny     4096 4e-3    1e-6       0   20    300    0  .05   .1    -   .9999       1 .875 bicubic  step   warmup_end
convnext_small    4096 4e-3    1e-6       0   20    300    0  .05   .4    -   .9999       1 .875 bicubic  step   warmup_end
convnext_base     4096 4e-3    1e-6       0   20    300    0  .05   .5    -   .9999       1 .875 bicubic  step   warmup_end
convnext_large    4096 4e-3    1e-6       0   20    300    0  .05   .5    -   .9999       1 .875 bicubic  step   warmup_end
swin_base_384     1024 4e-5    4e-7    4e-8    5     30    0 1e-8   .5    5       -       1 1    bicubic  step   start
cswin_base_384     256 5e-6    5e-7       -    0     30   10 1e-8   .7    -   .9998       1 1    random   epoch  start
convnext_base_384  512 5e-5    1e-6       -    0     30    0 1e-8   .8    -       -       1 1    bicubic  step   warmup_end
swin_base_22k     4096 1e-3    1e-5    1e-6    5     90    0  .05   .2    5       -       1 .875 bicubic  step   start
convnext_base_22k 4096 4e-3    1e-6       0    5     90    0  .05   .1    -       -       1 .875 bicubic  step   warmup_end
hornet_large_gf_22k 4096 4e-3  1e-6       0    5     90    0   .1   .2    1       -       1 .875 bicubic  step   warmup_end
swin_base_22k_to_1k 1024 4e-5  4e-7    4e-8    5     30    0 1e-8   .2    5       -       1 .875 bicubic  step   start
convnext_base_22k_to_1k 512 5e-5 1e-6     -    0     30    0 1e-8   .2    -       -       1 .875 bicubic  step   warmup_end
hornet_large_gf_22k_to_1k_384 512 5e-5 1e-6 -  0     30    0 1e-8   .4    1   .9999       1 1    bicubic  step   warmup_end
"""  # noqa: E501
# Where the others are RandAugment m9; mixup 0.8 and cutmix 1.0; float16 beside float32; 224 pixels.
RAND_AUGMENT = {"hornet_small_gf": "m12", "hornet_base_gf": "m15"}
MIXED = {
    **{"cswin_base_384": (0.1, 0.1), "convnext_base_384": (0.0, 0.0)},
    **{"convnext_base_22k_to_1k": (0.0, 0.0), "hornet_large_gf_22k_to_1k_384": (0.0, 0.0)},
}
FLOAT32 = ("hornet", "convnext")
# Factor on the stem's lr: decay to the power of the authors' 13 groups from stem to classifier.
STEM_LR = {
    **{"convnext_base_384": 0.7**13, "convnext_base_22k_to_1k": 0.8**13},
    "hornet_large_gf_22k_to_1k_384": 0.7**13,
}
# Their evaluation resizes the whole image to a square.
SQUASHED = ("swin_base_384", "convnext_base_384", "hornet_large_gf_22k_to_1k_384")


def rows(table: str) -> dict[str, dict[str, Any]]:
    """Rows of a table by their first column; "-" is None."""
    names, *lines = (line.split() for line in table.strip().splitlines())
    return {
        line[0]: {
            name: None if value == "-" else value
            for name, value in zip(names[1:], line[1:], strict=True)
        }
        for line in lines
    }


RECIPES = rows(PUBLISHED)


def test_every_recipe_is_compared() -> None:
    runs = {config.stem.removesuffix("_linear") for config in CONFIGS if config.parent == IMAGENET}
    assert runs == set(RECIPES)


@pytest.mark.parametrize("run", RECIPES)
def test_a_recipe_is_the_published_one(run: str) -> None:
    config = IMAGENET / f"{run}_linear.yaml"
    published = {
        key: float(value) if value and value[-1].isdigit() else value
        for key, value in RECIPES[run].items()
    }
    values = resolve(config)
    data, trainer = values["data"]["init_args"], values["trainer"]
    model, augment = values["model"]["init_args"], data["augment"]
    devices = int(trainer["num_nodes"]) * int(trainer["devices"])
    batch = data["batch_size"] * devices * trainer["accumulate_grad_batches"]
    task = build(config)
    optim = task.optim.scaled_to(batch)
    ours = {
        "batch": batch,
        "lr": optim.lr,
        "min_lr": optim.min_lr,
        "warm_lr": optim.warmup_lr if optim.warmup_epochs else None,
        "warm": optim.warmup_epochs,
        "epochs": trainer["max_epochs"],
        "cool": optim.cooldown_epochs,
        "wd": optim.weight_decay,
        "drop": max(m.rate for m in task.modules() if isinstance(m, DropPath)),
        "clip": trainer["gradient_clip_val"],
        "ema": model["ema_decay"],
        "repeats": augment["repeats"],
        "crop": data["crop"],
        "filter": augment["interpolation"],
        "lr_per": optim.lr_interval,
        "cosine_from": optim.cosine_from,
    }
    assert ours == pytest.approx(published)
    # Those of whose authors' loops some accumulate leave out what does not fill a step.
    accumulates = run.startswith(("swin", "convnext", "hornet"))
    assert values["drop_incomplete_step"] is accumulates
    strength = RAND_AUGMENT.get(run, "m9")
    mixup, cutmix = MIXED.get(run, (0.8, 1.0))
    assert augment["rand_augment"] == f"rand-{strength}-mstd0.5-inc1"
    assert augment["posterize_to_black"] is (strength != "m9")
    assert augment["color_jitter"] == 0  # timm leaves it out beside RandAugment
    assert (augment["min_scale"], augment["hflip"], data["interpolation"]) == (0.08, 0.5, "bicubic")
    assert model["mix"] == {
        **{"mixup": mixup, "cutmix": cutmix, "prob": 1.0, "switch_prob": 0.5, "erasing": 0.25}
    }
    assert (model["label_smoothing"], optim.betas) == (0.1, [0.9, 0.999])
    assert trainer["precision"] == ("32-true" if run.startswith(FLOAT32) else "bf16-mixed")
    assert data["image_size"] == (384 if run.endswith("384") else 224)
    levels = len(task.backbone.decay_groups())
    assert optim.layer_decay**levels == pytest.approx(STEM_LR.get(run, 1.0))
    assert data["crop_mode"] == ("squash" if run in SQUASHED else "center")
    assert model["ema_warmup"] is (model["ema_decay"] is None)


def test_the_head_of_a_config_states_its_batch() -> None:
    for run, row in RECIPES.items():
        head = (IMAGENET / f"{run}_linear.yaml").read_text().partition("\nname:")[0]
        assert f"{row['batch']} " in head.partition("Hardware:")[2], run


def test_mean_and_std_are_those_of_the_family() -> None:
    for run in ("tnt_small", "swin_tiny"):
        assert resolve(IMAGENET / f"{run}_linear.yaml")["model"]["init_args"]["mean"] is None
    tnt = build(IMAGENET / "tnt_small_linear.yaml").backbone.default_input
    assert (tnt.mean, tnt.std) == ((0.5,) * 3, (0.5,) * 3)
