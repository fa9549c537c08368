"""The configs of boxes in sweeps of KITTI's lidar: that task and data go together."""

import re

from helpers.config_runs import DETECTION3D, ROOT, build, resolve

KITTI, SAMPLES = DETECTION3D / "flatformer.yaml", DETECTION3D.parent / "samples_lidar.yaml"


def test_model_and_data_read_the_same_points() -> None:
    for config in (KITTI, SAMPLES):
        values = resolve(config)
        model, data = values["model"]["init_args"], values["data"]["init_args"]
        reader = model["reader_options"]
        assert [*data["point_range"]] == reader["grid"]["point_range"]
        assert data["numbers"] == reader["in_channels"] == 4
        assert data["in_view"] is True
        assert [*data["augment"]["mirror"]] == [0.0, 0.5]
        assert values["trainer"]["gradient_clip_val"] == 10


def test_the_schedule_is_that_of_waymo() -> None:
    optim = resolve(KITTI)["model"]["init_args"]["optim"]
    assert (optim["warmup_lr"], optim["lr"], optim["min_lr"]) == (1e-5, 1e-3, 1e-8)
    assert (optim["lr_schedule"], optim["peak"], optim["weight_decay"]) == ("one_cycle", 0.1, 0.05)
    assert optim["no_decay"] == "norms"


def test_cells_of_the_map_and_the_encoder_as_published() -> None:
    task = build(KITTI)
    assert task.reader.grid.size == (496, 432)
    assert task.head.map_grid.cell == (0.32, 0.32)
    assert sum(p.numel() for p in task.backbone.parameters()) == 1_059_840


def test_the_card_and_the_page_of_recipes_say_that_it_is_ours() -> None:
    head = KITTI.read_text().partition("\nname:")[0]
    assert "Published: none for KITTI" in head
    assert "Ours: not run." in head
    page = (ROOT / "docs" / "recipes.md").read_text()
    (row,) = re.findall(r"^\| `detection3d/kitti/flatformer` .*$", page, re.MULTILINE)
    assert row.endswith("| - | - | not run |")
