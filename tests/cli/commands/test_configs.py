"""The list of configs, against the files and the pages that have the same figures."""

import json

import pytest
import yaml

from vision.cli.commands.configs import main
from vision.cli.config_files import configs_folder, find_config


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_every_config_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    cards = json.loads(listed(capsys, "--json"))
    paths = [path for path in configs_folder().rglob("*.yaml") if path.parent.name != "_base"]
    names = {path.relative_to(configs_folder()).with_suffix("").as_posix() for path in paths}
    assert {card["name"] for card in cards} == names
    assert all(all(card.values()) for card in cards)
    for card in cards:
        text = yaml.safe_load((configs_folder() / f"{card['name']}.yaml").read_text())
        assert card["backbone"] == text["model"]["init_args"]["backbone"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (
            "detection/coco/swin_tiny_mask_rcnn_3x",
            ["swin_tiny", "box AP 46.0, mask AP 41.6", "not run"],
        ),
        ("classification/imagenet/swin_tiny_linear", ["swin_tiny", "81.2 % top-1", "not run"]),
        ("segmentation/ade20k/hornet_base_gf_upernet", ["hornet_base_gf", "mIoU 50.5", "not run"]),
        ("classification/digits/convnext_linear", ["convnext", "-", "99.2 % top-1"]),
        ("detection/coco_format/swin_mask_rcnn", ["swin_tiny", "-", "not run"]),
    ],
)
def test_a_row_has_the_published_and_our_own_result(
    name: str, row: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    short = name.partition("/")[2]
    (line,) = [line for line in listed(capsys, name).splitlines() if line.split()[:1] == [short]]
    assert [cell.strip() for cell in line.split("  ") if cell] == [short, *row]
    assert find_config(short) == configs_folder() / f"{name}.yaml"


def test_a_pattern_is_a_part_or_has_stars(capsys: pytest.CaptureFixture[str]) -> None:
    part = listed(capsys, "detection/coco/rmt_large")
    assert "rmt_large_retinanet_1x" in part
    assert "Detection on COCO" in part
    assert part.splitlines()[-1].startswith("2 configs in ")
    for whole in ("*/rmt_large*_1x", "coco/rmt_large*_1x", "detection/coco/rmt_large*_1x"):
        assert listed(capsys, whole) == part


def test_a_pattern_without_a_match_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["swin_tny_upernet"]) == 2
    assert "swin_tiny_upernet" in capsys.readouterr().err


def test_lines_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, listed(capsys).splitlines()[:-1])) <= 110
