"""The report of surface normals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dense_evaluation import dense_case
from helpers.report_cases import subject

from vision.report.build import write_report
from vision.report.normals import analyse


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return dense_case(tmp_path_factory.mktemp("normals"), "normals")


def test_shares_are_those_of_the_evaluation(case: Any) -> None:
    record, source = case
    parts = analyse(record, source)
    assert sum(parts["angles"]["counts"]) == parts["pixels"] == 2 * 40 * 60
    below, share = parts["shares"]["below"], parts["shares"]["share"]
    assert below[-1] == 180
    assert share[-1] == 1
    for angle in (22.5, 30.0):
        known = record.metrics[f"val/below_{angle:g}"]
        assert share[below.index(angle)] == pytest.approx(known, abs=1e-6)
    means = [row["mean"] for row in parts["images"]]
    assert np.mean(means) == pytest.approx(record.metrics["val/mean"], rel=1e-6)


def test_the_page_has_charts_and_examples(case: Any, tmp_path: Path) -> None:
    record, source = case
    write_report(tmp_path / "new", record, subject(tmp_path), source)
    page = (tmp_path / "new" / "report.html").read_text()
    assert "could not be made" not in page
    for text in ("Pixels by angle", "Share of pixels below an angle", "angles in degrees"):
        assert text in page
    assert page.count("<img") == 2
    assert "faces the camera</li>" in page
