import numpy as np
import pytest
from helpers.report_cases import segmentation_case
from sklearn.metrics import precision_score, recall_score

from vision.report.segmentation import analyse, changes, sections


def test_precision_and_recall_are_those_of_scikit_learn() -> None:
    record, source = segmentation_case()
    parts = analyse(record, source)
    found = np.concatenate([mask.ravel() for mask in record.body.masks.values()])
    true = np.concatenate([source.dataset.example(i)[1].numpy().ravel() for i in range(5)])
    counted = true != 255
    for key, judge in (("precision", precision_score), ("recall", recall_score)):
        expected = judge(true[counted], found[counted], average=None)
        assert [row[key] for row in parts["classes"]] == pytest.approx(expected.tolist())
    assert sum(map(sum, parts["confusion"]["matrix"])) == counted.sum()


def test_examples_show_the_worst_first_with_a_legend() -> None:
    record, source = segmentation_case()
    whole = sections(analyse(record, source), record, source)[-1]
    assert whole.count("<img") == 5
    worst = min(record.body.scored, key=lambda one: one.score)
    assert whole.index(f"val/{worst.place}.png") < whole.index("<h3>Best</h3>")
    for name in ("ground", "disc", "egg", "ignored"):
        assert f"{name}</li>" in whole


def test_images_that_gained_and_lost() -> None:
    record, source = segmentation_case()
    theirs = {row["name"]: row for row in analyse(record, source)["images"]}
    first, second = list(theirs)[:2]
    theirs = {name: {"score": str(row["score"])} for name, row in theirs.items()}
    theirs[first]["score"], theirs[second]["score"] = "0.125", "1.0"
    gains, losses = changes(record, source, theirs)
    assert "1 image" in gains
    assert (first in gains, second in gains) == (True, False)
    assert (first in losses, second in losses) == (False, True)
