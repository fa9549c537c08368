"""The report of rooms: numbers against the record, and a page that shows them."""

import json
from pathlib import Path

import pytest
from helpers.points_evaluation import NAMES, ROOMS, PointsWorld, evaluate_wrong
from helpers.report_cases import subject

from vision.report.build import write_report
from vision.report.points import REPORT, analyse, changes, sections


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PointsWorld:
    return evaluate_wrong(tmp_path_factory.mktemp("world"))


def test_numbers_are_those_of_the_evaluation(world: PointsWorld) -> None:
    parts = json.loads(json.dumps(analyse(world.record, world.source)))
    metrics, result = world.record.metrics, world.record.body.result
    assert [row["name"] for row in parts["classes"]] == NAMES
    assert [row["IoU"] for row in parts["classes"]] == pytest.approx(result.iou.tolist())
    chair = parts["classes"][3]
    assert (chair["IoU"], chair["recall"], chair["precision"]) == (0, 0, None)
    # Half of what is called a wall is a chair, as far as the rooms have as many of both.
    wall = result.whole.areas
    assert parts["classes"][2]["precision"] == wall.intersection[2] / wall.predicted[2]
    assert {f"val/{name}" for name in REPORT.headline} <= {*metrics}
    assert {*REPORT.class_metrics} <= {*parts["classes"][0]}
    assert parts["confusion"]["pairs"][0]["true"] == "chair"
    assert [row["room"] for row in parts["images"]] == [str(n) for n in range(ROOMS)]
    assert sum(row["points"] for row in parts["images"]) == result.confusion.sum()
    assert min(parts["images"], key=lambda row: row["score"])["name"] == "2"


def test_the_page_shows_every_part_and_the_worst_first(world: PointsWorld, tmp_path: Path) -> None:
    write_report(tmp_path / "new", world.record, subject(tmp_path), world.source)
    page = (tmp_path / "new" / "report.html").read_text()
    assert "could not be made" not in page
    for words in (
        "Lowest IoU first",
        "Points by true and predicted class",
        "Rooms by mean IoU",
        "Lowest mean IoU first",
        "Worst",
        "ground truth, prediction and errors",
    ):
        assert words in page
    worst = page.partition("Lowest mean IoU first")[2]
    assert worst.index(">2<") < worst.index(">0<")


def test_rooms_that_changed_and_datasets_without_examples(
    world: PointsWorld, tmp_path: Path
) -> None:
    theirs = {"0": {"score": "0.1"}, "2": {"score": "0.9"}, "1": {"score": ""}}
    shown = "".join(map(str, changes(world.record, world.source, theirs)))
    gains, losses = shown.split("Largest losses")
    assert ">0<" in gains
    assert ">2<" in losses
    bare = world.source._replace(dataset=object())
    parts = analyse(world.record, world.source)
    page = "".join(map(str, sections(parts, world.record, bare)))
    assert "no images to show" in page
