"""The configs of depth and of normals: what is published, and that the rest goes together."""

import re
from pathlib import Path

import pytest
from helpers.config_runs import DENSE, DEPTH_KITTI, DEPTH_NYUV2, NORMALS_NYUV2, ROOT, build, resolve

from vision.layers.drop_path import DropPath

CONFIGS = [config for folder in DENSE for config in sorted(folder.glob("*.yaml"))]
FAMILIES = {"swin", "cswin", "cvt", "tnt", "rmt", "hornet", "convnext"}
# PolyMaX, arXiv 2311.05770, with ConvNeXt-L on NYU Depth V2.
PUBLISHED = {
    DEPTH_NYUV2: ("RMSE 0.250", "abs rel 0.067", "delta1 0.969"),
    NORMALS_NYUV2: ("mean 13.09", "RMSE 20.4", "65.66 / 82.28 / 87.83 %"),
}


def header(config: Path) -> str:
    return config.read_text().partition("\nname:")[0]


@pytest.mark.parametrize("folder", DENSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_family_has_the_dense_head_and_polymax_is_there(folder: Path) -> None:
    runs = {config.stem for config in folder.glob("*.yaml")}
    dense = {run for run in runs if run.endswith("_dpt")}
    assert {run.partition("_")[0] for run in dense} == FAMILIES
    assert runs - dense == {"convnext_large_22k_polymax"}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: "/".join(path.parts[-3:]))
def test_what_is_published_is_stated_and_that_the_rest_is_ours(config: Path) -> None:
    head = header(config)
    if config.stem.endswith("_dpt"):
        assert "# Published: none; the head on these backbones is ours." in head
    elif config.parent == DEPTH_KITTI:
        assert "# Published: none by the authors of PolyMaX." in head
    else:
        assert all(number in head for number in PUBLISHED[config.parent])
        assert "arXiv 2311.05770" in head
    assert "The settings are ours" in head or config.stem.endswith("_dpt")
    assert "# Ours: not run." in head


# The dense head's runs of a folder have their settings from one base.
@pytest.mark.parametrize(
    "config",
    [config for config in CONFIGS if config.stem.startswith("convnext")],
    ids=lambda path: "/".join(path.parts[-3:]),
)
def test_settings(config: Path) -> None:
    values = resolve(config)
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    optim, trainer = model["optim"], values["trainer"]
    polymax = config.stem.endswith("polymax")
    assert model["decoder"] == ("polymax" if polymax else "dpt")
    assert data["batch_size"] * int(trainer["devices"]) == 16
    assert (optim["lr_schedule"], optim["power"], optim["backbone_lr"]) == ("poly", 0.9, 0.1)
    if polymax:
        # 5e-4 for 64 images.
        assert optim["lr"] == pytest.approx(5e-4 * 16 / 64)
        assert optim["warmup_lr"] == pytest.approx(optim["lr"] / 5000)
        assert (optim["warmup_steps"], optim["warmup_to"]) == (5000, "lr")
        assert trainer["max_steps"] == 100_000
    else:
        assert optim["warmup_lr"] == pytest.approx(1e-6 * optim["lr"])
        assert trainer["max_steps"] == (40_000 if config.parent == DEPTH_KITTI else 20_000)
    if config.parent == NORMALS_NYUV2:
        return
    # The limits and crops that published results are measured with.
    indoors = config.parent == DEPTH_NYUV2
    assert (model["min_depth"], model["max_depth"]) == (1e-3, 10 if indoors else 80)
    crop = model["evaluation"]["crop"]
    assert (crop, data.get("kb_crop"), data.get("evaluated")) == (
        ("eigen", None, None) if indoors else ("none", True, "garg")
    )


def test_drop_path_reaches_the_last_block() -> None:
    config = DEPTH_NYUV2 / "convnext_large_22k_polymax.yaml"
    options = resolve(config)["model"]["init_args"]
    task = build(config)
    rates = [m.rate for m in task.backbone.modules() if isinstance(m, DropPath)]
    assert max(rates) == pytest.approx(options["backbone_options"]["drop_path_rate"])
    assert not any(m.rate for m in task.head.modules() if isinstance(m, DropPath))


def test_the_page_of_recipes_lists_every_run() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    for config in CONFIGS:
        name = config.relative_to(ROOT / "configs").with_suffix("").as_posix()
        (row,) = re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE)
        assert row.endswith("| not run |"), row
