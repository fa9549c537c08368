"""The report of a panoptic model: its numbers, its examples, and what changed."""

import json

import pytest
from helpers.panoptic_evaluation import IMAGES, PanopticWorld, evaluate_shifted

from vision.report.panoptic import REPORT, analyse, changes, sections


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PanopticWorld:
    return evaluate_shifted(tmp_path_factory.mktemp("world"), files=False)


def test_numbers_are_those_of_the_evaluation(world: PanopticWorld) -> None:
    parts = json.loads(json.dumps(analyse(world.record, world.source)))
    result = world.record.body.result
    assert [row["name"] for row in parts["classes"]] == ["disc", "box", "sky", "grass"]
    assert [row["TP"] for row in parts["classes"]] == result.true_positives.tolist()
    assert parts["groups"][0]["PQ"] == pytest.approx(world.record.metrics["val/PQ"], abs=1e-7)
    assert {f"val/{name}" for name in REPORT.headline[:5]} <= {*world.record.metrics}
    assert {*REPORT.class_metrics} <= {*parts["classes"][0]}
    assert len(parts["images"]) == IMAGES
    matrix = parts["confusion"]["matrix"]
    assert [sum(row) for row in matrix][1] == matrix[1][0] + matrix[1][-1], "boxes become discs"
    pairs = [(one["true"], one["predicted"]) for one in parts["confusion"]["pairs"]]
    assert ("box", "disc") in pairs
    for key in ("TP", "FP", "FN"):
        total = sum(row[key] for row in parts["classes"])
        assert sum(row[key] for row in parts["sizes"]) == total
    assert sum(parts["iou"]["counts"]) == result.true_positives.sum()


def test_sizes_without_segments_have_no_score(world: PanopticWorld) -> None:
    rows = analyse(world.record, world.source)["sizes"]
    large = next(row for row in rows if (row["kind"], row["size"]) == ("things", "large"))
    assert (large["PQ"], large["TP"], large["FN"]) == (None, 0, 0)
    for row in rows:
        if row["PQ"]:
            assert row["PQ"] == pytest.approx(row["SQ"] * row["RQ"])
            assert row["RQ"] == pytest.approx(
                row["TP"] / (row["TP"] + row["FP"] / 2 + row["FN"] / 2)
            )


def test_the_page_shows_every_part_and_the_worst_first(world: PanopticWorld) -> None:
    shown = sections(analyse(world.record, world.source), world.record, world.source)
    page = "".join(shown)
    for words in ("Lowest PQ first", "missed (FN)", "no segment", "Matches by IoU", "By size"):
        assert words in page
    examples = shown[-1]
    assert examples.count("<img") == IMAGES
    worst = min(world.record.body.scored, key=lambda one: one.score)
    assert examples.index(worst.name) < examples.index("<h3>Best</h3>")
    for name in ("wrong segment", "missed segment", "void"):
        assert f"{name}</li>" in examples


def test_images_that_gained_and_lost(world: PanopticWorld) -> None:
    rows = analyse(world.record, world.source)["images"]
    theirs = {row["name"]: {"score": str(row["score"])} for row in rows}
    first, second = list(theirs)[:2]
    theirs[first]["score"], theirs[second]["score"] = "0.0625", "1.0"
    gains, losses = changes(world.record, world.source, theirs)
    assert "1 image" in gains
    assert (first in gains, second in gains) == (True, False)
    assert (first in losses, second in losses) == (False, True)
