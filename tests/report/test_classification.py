import numpy as np
import pytest
from helpers.report_cases import EVIL, classification_case
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from vision.report.classification import analyse, changes, confusion_matrix, sections


def test_numbers_of_classes_are_those_of_scikit_learn() -> None:
    record, source = classification_case()
    body, parts = record.body, analyse(record, source)
    judged = precision_recall_fscore_support(body.label, body.predicted)
    for name, values in zip(("precision", "recall", "f1", "images"), judged, strict=True):
        assert [row[name] for row in parts["classes"]] == pytest.approx(values.tolist())
    truth = np.eye(3)[body.label]
    averages = average_precision_score(truth, body.scores, average=None)
    assert [row["average_precision"] for row in parts["classes"]] == pytest.approx(averages)
    assert parts["curves"]["micro"]["average_precision"] == pytest.approx(
        average_precision_score(truth, body.scores, average="micro")
    )


def test_a_matrix_by_hand() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_examples_are_the_surest_mistakes_and_the_surest_right_ones() -> None:
    record, source = classification_case()
    body, chosen = record.body, analyse(record, source)["examples"]
    wrong = body.label != body.predicted
    assert body.confidence[chosen["worst"][0]] == body.confidence[wrong].max()
    assert all(wrong[chosen["worst"]])
    assert not any(wrong[chosen["best"] + chosen["unsure"]])
    assert body.confidence[chosen["unsure"][0]] == body.confidence[~wrong].min()
    assert len({*body.label[chosen["best"][:3]]}) == 3


def test_pages_escape_the_names_of_classes_and_of_files() -> None:
    record, source = classification_case()
    whole = "".join(sections(analyse(record, source), record, source))
    assert EVIL not in whole
    assert "<b>1" not in whole
    assert "&lt;script&gt;" in whole
    assert 'alt="set/&lt;b&gt;' in whole


def test_fixed_and_broken_images() -> None:
    (record, source), (before, _) = classification_case(0), classification_case(1)
    theirs = {
        row["name"]: {key: str(value) for key, value in row.items()}
        for row in analyse(before, source)["images"]
    }
    fixed, broken = changes(record, source, theirs)
    now, was = (r.body.predicted == r.body.label for r in (record, before))
    assert f"{(now & ~was).sum()} images" in fixed
    assert f"{(was & ~now).sum()} images" in broken
    assert "before " in fixed
    assert changes(record, source, {})[0].count("<img") == 0
