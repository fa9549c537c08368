"""The recipes of points: those of S3DIS and ScanNet are the published ones."""

import re
from pathlib import Path

import pytest
from helpers.config_runs import POINTS, ROOT, build, resolve

from vision.layers.drop_path import DropPath
from vision.optim.groups import parameter_groups
from vision.optim.settings import OptimSettings
from vision.optim.weight_decay import undecayed_names

RECIPES = [*sorted((POINTS / "s3dis").glob("*.yaml")), *sorted((POINTS / "scannet").glob("*.yaml"))]
# mIoU on area 5 and over six folds, or on the validation set; parameters, of which 13 or 20 classes
# have K * (C + 1); lr, passes in all.
PUBLISHED = {
    "s3dis/swin3d_small": (("72.5", "76.9"), 26_495_773, 6e-4, 600),
    "s3dis/swin3d_small_pretrained": (("73.0", "78.2"), 26_495_773, 6e-4, 600),
    "s3dis/swin3d_large_pretrained": (("74.5", "79.8"), 68_238_973, 1e-3, 1000),
    "scannet/swin3d_small": (("75.2", "75.6"), 28_227_661 + 7 * 49, 6e-3, 600),
    "scannet/swin3d_large": (("76.2",), 71_125_453 + 7 * 81, 6e-3, 600),
}


def name_of(config: Path) -> str:
    return config.relative_to(POINTS).with_suffix("").as_posix()


@pytest.mark.parametrize("config", RECIPES, ids=name_of)
def test_a_recipe_is_the_published_one(config: Path) -> None:
    name = name_of(config)
    numbers, parameters, lr, epochs = PUBLISHED[name]
    head = config.read_text().partition("\nname:")[0]
    assert all(number in head for number in numbers)
    assert "# Ours: not run." in head
    values = resolve(config)
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    augment, on_scannet = data["augment"], name.startswith("scannet")
    assert (data["voxel_size"], augment["max_voxels"]) == (
        (0.02, 120_000) if on_scannet else (0.04, 80_000)
    )
    assert (augment["rotation"], augment["scale"]) == (180.0, [0.8, 1.2])
    jitter = (augment["jitter"], augment["drop_color"])
    assert jitter == ((0.0, 0.2) if on_scannet else (0.005, 0.0))
    assert data["batch_size"] == 3
    assert model["exchange_yz"] is name.endswith("pretrained")
    assert values["trainer"]["max_epochs"] == epochs
    task = build(config)
    assert sum(p.numel() for p in task.parameters()) == parameters
    assert task.uses_normals is on_scannet
    assert task.backbone.strides[1] == (3 if on_scannet else 2)
    assert max(m.rate for m in task.backbone.modules() if isinstance(m, DropPath)) == pytest.approx(
        0.3
    )
    optim = task.optim
    assert optim == OptimSettings(**model["optim"])
    assert (optim.name, optim.lr, optim.weight_decay) == ("adamw", lr, 0.05)
    assert not undecayed_names(task, optim.no_decay)
    if optim.lr_schedule == "steps":
        assert [m / epochs for m in optim.milestones] == [0.6, 0.8]
    else:
        assert optim.warmup_steps == (3000 if on_scannet else 1500)


def test_blocks_learn_at_a_tenth_of_the_rate() -> None:
    task = build(POINTS / "s3dis" / "swin3d_small.yaml")
    groups = parameter_groups(task, weight_decay=0.05, block_lr=task.optim.block_lr)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    slow = {name for name, factor in scale.items() if factor == 0.1}
    assert {*scale.values()} == {0.1, 1.0}
    # Blocks of the encoder, and those behind the interpolation.
    assert slow == {n for n in scale if n.startswith("backbone.stages.") or ".block." in n}


@pytest.mark.parametrize("config", RECIPES, ids=name_of)
def test_the_page_of_recipes_lists_every_run(config: Path) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    (row,) = re.findall(rf"^\| `points/{name_of(config)}` .*$", page, re.MULTILINE)
    assert row.endswith("| not run |"), row
    assert all(number in row for number in PUBLISHED[name_of(config)][0])
