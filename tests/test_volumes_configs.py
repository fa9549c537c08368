"""The recipes of volumes: those of BraTS are the published ones."""

import re
from pathlib import Path

import pytest
from helpers.config_runs import ROOT, VOLUMES, build, resolve

from vision.optim.schedule import learning_rate
from vision.optim.settings import OptimSettings
from vision.optim.timeline import Timeline
from vision.optim.weight_decay import undecayed_names

BRATS = sorted((VOLUMES / "brats21").glob("*.yaml"))
RECIPES = [*BRATS, *sorted((VOLUMES / "msd").rglob("*.yaml"))]
# Mean Dice of each fold in percent.
PUBLISHED = "88.54, 90.59, 89.81, 89.24, 90.35"
# Parameters with four modalities and three regions.
PARAMETERS = {"swin_unetr_48": 62_191_941, "swin_unetr_24": 15_705_621}


@pytest.mark.parametrize("config", BRATS, ids=lambda path: path.stem)
def test_brats_is_the_published_recipe(config: Path) -> None:
    head = config.read_text().partition("\nname:")[0]
    assert (PUBLISHED in head) is (config.stem == "swin_unetr_48")
    assert "# Ours: not run." in head
    values = resolve(config)
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    augment, inference = data["augment"], model["inference"]
    assert model["regions"] == {"TC": [1, 3], "WT": [1, 2, 3], "ET": [3]}
    assert model["modalities"] == ["flair", "t1ce", "t1", "t2"]
    assert model["loss_options"] == {"terms": {"dice": 1.0}, "smooth": 1e-5}
    assert (augment["published"], augment["patch_size"]) == (True, [128, 128, 128])
    assert (augment["flip"], augment["scale"], augment["shift"]) == ([0.5] * 3, 0.1, 0.1)
    assert (inference["window"], inference["overlap"]) == ([128, 128, 128], 0.5)
    assert inference["weighting"] == "constant"
    assert (data["fold"], data["folds"], data["batch_size"]) == (0, 5, 1)
    assert (values["trainer"]["max_epochs"], model["memory"]) == (300, "checkpoint")
    task = build(config)
    assert sum(p.numel() for p in task.parameters()) == PARAMETERS[config.stem]
    assert task.optim == OptimSettings(**model["optim"])


def test_the_rate_changes_per_epoch_and_everything_decays() -> None:
    task = build(BRATS[0])
    settings = task.optim
    assert (settings.name, settings.weight_decay) == ("adamw", 1e-5)
    assert not undecayed_names(task, settings.no_decay)
    timeline = Timeline(total=3000, warmup=500, epoch=10, cooldown=0, milestones=())
    rates = [learning_rate(10 * epoch + 9, settings, timeline) for epoch in (0, 25, 50, 175, 300)]
    assert rates == pytest.approx([0.0, 5e-5, 1e-4, 5e-5, 0.0], abs=1e-12)


@pytest.mark.parametrize("config", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_page_of_recipes_lists_every_run(config: Path) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    name = config.relative_to(ROOT / "configs").with_suffix("").as_posix()
    (row,) = re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE)
    assert row.endswith("| not run |"), row
