"""The configs of Waymo: what is published, and that it goes together."""

import pytest
from helpers.config_runs import ROOT, build, resolve

CONFIGS = sorted((ROOT / "configs" / "detection3d" / "waymo").glob("*.yaml"))
PUBLISHED = {
    "flatformer_1frame": "67.2",
    "flatformer_2frames": "71.2",
    "flatformer_3frames": "72.0",
}


def test_the_heads_cite_what_is_published_and_say_what_is_missing() -> None:
    assert {config.stem for config in CONFIGS} == {*PUBLISHED}
    for config in CONFIGS:
        head = config.read_text().partition("\nname:")[0]
        assert "67.2 / 71.2 / 72.0" in head
        assert f"# Published: L2 mAPH {PUBLISHED[config.stem]} on the validation split" in head
        assert "Ours: not run." in head
        assert "No dataset of the suite reads Waymo's files" in head


def test_settings() -> None:
    for config in CONFIGS:
        values = resolve(config)
        model, data, trainer = (
            values["model"]["init_args"],
            values["data"]["init_args"],
            values["trainer"],
        )
        optim = model["optim"]
        assert (optim["warmup_lr"], optim["lr"], optim["min_lr"]) == (1e-5, 1e-3, 1e-8)
        assert (optim["lr_schedule"], optim["peak"], optim["weight_decay"]) == (
            "one_cycle",
            0.1,
            0.05,
        )
        assert optim["no_decay"] == "norms"
        assert (trainer["max_epochs"], trainer["gradient_clip_val"]) == (24, 10)
        assert data["batch_size"] * int(trainer["devices"]) == 8
        assert data["augment"]["mirror"] == [0.5, 0.5]
        assert data["augment"]["rotation"] == 45
        assert data["augment"]["scale"] == [0.95, 1.05]
        assert data["paste"]["counts"] == {"Pedestrian": 10, "Car": 15, "Cyclist": 10}
        assert data["paste"]["min_points"] == {"Pedestrian": 10, "Car": 5, "Cyclist": 10}
        assert data["paste"]["database"] == f"{data['root']}_objects"


@pytest.mark.parametrize("config", CONFIGS[:1], ids=lambda path: path.stem)
def test_the_published_model_has_its_size(config: object) -> None:
    task = build(config)  # type: ignore[arg-type]
    counts = [
        sum(p.numel() for p in part.parameters())
        for part in (task.reader, task.backbone, task.neck, task.head)
    ]
    assert counts == [17_472, 1_059_840, 701_952 + 74_240, 414_606]
    assert sum(counts) == 2_268_110
    assert task.reader.grid.size == (468, 468)
