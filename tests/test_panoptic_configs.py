"""The recipes of panoptic segmentation, compared with a table of what their authors published."""

import re
from pathlib import Path

import pytest
import yaml
from helpers.config_runs import PANOPTIC, build, resolve

from vision.data.classes.cityscapes_instances import THINGS
from vision.tasks.panoptic import PanopticSegmentation

COCO, CITYSCAPES, ADE20K = PANOPTIC
# Files of bytedance/kmax-deeplab and google-research/deeplab2: lr, images per optimiser step,
# thousands of steps, drop path of the decoder, thresholds of things, stuff and overlap, exponent of
# the mask's probability, image, smallest scale.
PUBLISHED = {
    COCO: (5e-4, 64, 150, 0.2, (0.7, 0.5, 0.8), 1.0, [1281, 1281], 0.2),
    ADE20K: (5e-4, 64, 100, 0.0, (0.4, 0.4, 0.8), 1.0, [1281, 1281], 0.5),
    CITYSCAPES: (3e-4, 32, 60, 0.2, (0.5, 0.3, 0.9), 0.0, [1025, 2049], 0.5),
}
# Published PQ in percent; PyTorch's, and TensorFlow's where there is no other.
RESULTS = {
    COCO: {"resnet50": 53.3, "tiny": 55.5, "small": 56.7, "base": 57.2, "large": 57.9},
    ADE20K: {"resnet50": 42.2, "large": 50.0},
    CITYSCAPES: {"resnet50": 63.5, "tiny": 66.3, "small": 67.3, "base": 68.0, "large": 68.4},
}
DROP_PATH = {"tiny": 0.3, "small": 0.4, "base": 0.5, "large": 0.6}
OWN = {"swin_tiny", "cswin_tiny", "cvt_13", "tnt_small", "rmt_tiny", "hornet_tiny_7x7"}
CONFIGS = sorted(config for folder in PANOPTIC for config in folder.glob("*.yaml"))


def named(config: Path) -> str:
    return config.parent.name + "/" + config.stem


def size_of(config: Path) -> str:
    """`resnet50`, the size of a ConvNeXt, or the name of another backbone."""
    name = config.stem.removesuffix("_kmax")
    return re.sub(r"convnext_(\w+)_22k", r"\1", name)


@pytest.mark.parametrize("folder", PANOPTIC, ids=lambda folder: folder.name)
def test_every_published_run_and_every_family_is_there(folder: Path) -> None:
    assert {size_of(config) for config in folder.glob("*.yaml")} == {*RESULTS[folder], *OWN}


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_the_head_of_a_config_states_the_published_result_or_that_there_is_none(
    config: Path,
) -> None:
    head = config.read_text().partition("\nname:")[0]
    result = RESULTS[config.parent].get(size_of(config))
    if result is None:
        assert "# Published: none by the authors of the backbone." in head
    else:
        assert f"# Published: PQ {result} on the validation set" in head
        assert re.search(r"\((bytedance/kmax-deeplab|google-research/deeplab2): [\w/.]+\)", head)
    four_stages = config.parent == CITYSCAPES and size_of(config) != "resnet50"
    assert ("only ResNets have a map" in head) is four_stages


# All others of a folder have their settings from the same base.
COMPARED = [config for config in CONFIGS if size_of(config) == "resnet50"]


@pytest.mark.parametrize("config", COMPARED, ids=named)
def test_a_recipe_is_the_published_one(config: Path) -> None:
    values = resolve(config)
    trainer = values["trainer"]
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    lr, batch, steps, drop, thresholds, exponent, size, scale = PUBLISHED[config.parent]
    optim, head, merge, augment = (
        *(model[name] for name in ("optim", "head_options", "merge")),
        data["augment"],
    )
    assert (optim["lr"], optim["weight_decay"], optim["backbone_lr"]) == (lr, 0.05, 0.1)
    assert (optim["lr_schedule"], optim["power"], optim["min_lr"]) == ("poly", 0.9, 0.0)
    assert (optim["warmup_steps"], optim["warmup_to"]) == (5000, "lr")
    assert optim["warmup_lr"] == pytest.approx(lr / 1000)
    devices = int(trainer["devices"]) * int(trainer["num_nodes"])
    assert data["batch_size"] * devices == batch
    assert (trainer["max_steps"], trainer["sync_batchnorm"]) == (1000 * steps, True)
    assert head["drop_path_rate"] == drop
    names = ("thing_threshold", "stuff_threshold", "overlap_threshold")
    assert tuple(merge[name] for name in names) == thresholds
    assert (merge["class_exponent"], merge["mask_exponent"]) == (1.0, exponent)
    assert data["canvas"] == augment["crop"] == size
    assert (data["long_side"], augment["scale"], augment["hflip"]) == (max(size), [scale, 2.0], 0.5)
    assert augment["photometric"]
    assert augment["copy_paste"]


@pytest.mark.parametrize("config", [c for c in CONFIGS if size_of(c) in DROP_PATH], ids=named)
def test_convnext_is_the_authors(config: Path) -> None:
    own = yaml.safe_load(config.read_text())["model"]["init_args"]
    wanted = 0.7 if config.parent == ADE20K else DROP_PATH[size_of(config)]
    assert own["backbone_options"] == {"drop_path_rate": wanted, "keep_corners": True}
    assert (own["mean"], own["std"]) == ([0.5] * 3, [0.5] * 3)
    assert own["pretrained"] == f"hf://timm/{own['backbone']}.fb_in22k"


def test_the_head_has_the_authors_number_of_parameters() -> None:
    task = build(COCO / "resnet50_kmax.yaml")
    counts = {"pixel_decoder": 0, "semantic": 0, "": 0}
    for name, parameter in task.head.named_parameters():
        part = name.partition(".")[0]
        counts[part if part in counts else ""] += parameter.numel()
    assert counts == {"pixel_decoder": 21_151_040, "semantic": 15_856_742, "": 11_921_048}


def test_the_decoder_of_cityscapes() -> None:
    resnet, other = (build(CITYSCAPES / f"{run}_kmax.yaml") for run in ("resnet50", "swin_tiny"))
    assert isinstance(resnet, PanopticSegmentation)
    for task, strides in ((resnet, [2, 4, 8, 16, 32]), (other, [4, 8, 16, 32])):
        assert [spec.stride for spec in task.neck.feature_specs] == strides
        assert task.head.queries.shape == (256, 256)
        assert task.head.semantic.classifier.weight.shape[0] == len(THINGS) + 11
        options = task.criterion.options
        assert (options.instance_temperature, options.semantic_samples) == (0.6, 0)
    norms = {(m.eps, m.momentum) for m in resnet.backbone.modules() if hasattr(m, "momentum")}
    assert norms == {(1e-3, 0.01)}
