"""The configs of boxes in space from images: what is published, and that the rest fits."""

import re
from pathlib import Path

import pytest
from helpers.config_runs import DETECTION3D, ROOT, build, resolve
from torch import nn

CONFIGS = sorted(DETECTION3D.glob("*_monodetr.yaml"))
FAMILIES = {"resnet50", "swin", "cswin", "cvt", "tnt", "rmt", "hornet", "convnext"}


def test_every_family_is_there_and_says_what_is_published() -> None:
    assert {config.stem.partition("_")[0] for config in CONFIGS} == FAMILIES
    for config in CONFIGS:
        head = config.read_text().partition("\nname:")[0]
        assert "# Ours: not run." in head
        if config.stem.startswith("resnet50"):
            assert "28.84 / 20.61 / 16.38" in head
            assert "variance of about 1" in head
        else:
            assert "# Published: none;" in head


def test_settings() -> None:
    (config,) = (config for config in CONFIGS if config.stem.startswith("resnet50"))
    values = resolve(config)
    model, data = values["model"]["init_args"], values["data"]["init_args"]
    optim = model["optim"]
    assert optim["name"] == "adamw_corrected_decay"
    assert (optim["lr"], optim["weight_decay"]) == (2e-4, 1e-4)
    assert (optim["lr_schedule"], optim["milestones"], optim["gamma"]) == ("steps", [125, 165], 0.1)
    assert (optim["no_decay"], optim["warmup_epochs"]) == ("biases", 0)
    assert data["batch_size"] * int(values["trainer"]["devices"]) == 16
    assert [*data["image_size"]] == [384, 1280]
    assert [*data["trained"]] == ["Car"]
    assert data["augment"]["geometry"] == "published"
    assert values["trainer"]["max_epochs"] == 195
    assert values["trainer"]["gradient_clip_val"] is None
    assert values["seed_everything"] == 444


def test_the_published_model_has_its_size_and_its_frozen_parts() -> None:
    (config,) = (config for config in CONFIGS if config.stem.startswith("resnet50"))
    task = build(config)
    # 14,220,308 beside the backbone in the authors' code, with parts without an effect.
    assert sum(p.numel() for p in task.head.parameters()) == 13_823_941
    trained = {n for n, p in task.backbone.named_parameters() if p.requires_grad}
    assert {name.split(".")[1] for name in trained} == {"layer2", "layer3", "layer4"}
    norms = {n for n, m in task.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert not trained & {f"{name}.{part}" for name in norms for part in ("weight", "bias")}
    assert len(norms) == 53


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_page_of_recipes_lists_every_run(config: Path) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    name = config.relative_to(ROOT / "configs").with_suffix("").as_posix()
    (row,) = re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE)
    assert row.endswith("| not run |"), row
