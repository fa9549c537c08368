"""The report of depth and of normals: numbers against the record, and a page that shows them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dense_evaluation import dense_case
from helpers.report_cases import subject

from vision.report.build import write_report
from vision.report.depth import analyse, changes


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return dense_case(tmp_path_factory.mktemp("depth"), "depth")


def test_distances_and_images_have_all_pixels(case: Any) -> None:
    record, source = case
    parts = analyse(record, source)
    pixels = sum(row["pixels"] for row in parts["images"])
    assert pixels == sum(row["pixels"] for row in parts["distances"])
    assert pixels == sum(parts["ratios"]["counts"]) > 1000
    weights = [row["pixels"] for row in parts["distances"] if row["pixels"]]
    errors = [row["abs_rel"] for row in parts["distances"] if row["pixels"]]
    whole = np.average(
        [row["abs_rel"] for row in parts["images"]],
        weights=[row["pixels"] for row in parts["images"]],
    )
    assert np.average(errors, weights=weights) == pytest.approx(whole)
    assert np.mean([row["abs_rel"] for row in parts["images"]]) == pytest.approx(
        record.metrics["val/abs_rel"]
    )


def test_the_page_has_charts_a_table_and_examples(case: Any, tmp_path: Path) -> None:
    record, source = case
    report = write_report(tmp_path / "new", record, subject(tmp_path), source)
    page = (tmp_path / "new" / "report.html").read_text()
    assert "could not be made" not in page
    for text in ("Relative error by distance", "Pixels by prediction / truth", "sq_rel and rmse"):
        assert text in page
    assert "band s0" in page
    assert page.count("<img") == 2
    assert "Metrics are fractions" not in page
    again = write_report(
        tmp_path / "again",
        record,
        subject(tmp_path),
        source,
        against=tmp_path / "new" / "report.json",
    )
    assert "no class in common" not in (tmp_path / "again" / "report.html").read_text()
    assert {row["difference"] for row in again["against"]["metrics"]} == {0.0}
    assert json.loads(json.dumps(report))["classes"] == []


def test_a_lower_error_is_a_gain(case: Any) -> None:
    record, source = case
    rows = analyse(record, source)["images"]
    theirs = {row["name"]: {"abs_rel": str(row["abs_rel"])} for row in rows}
    better, worse = theirs
    theirs[better]["abs_rel"], theirs[worse]["abs_rel"] = "1000", "0.001"
    gains, losses = changes(record, source, theirs)
    assert (better in gains, worse in gains) == (True, False)
    assert (better in losses, worse in losses) == (False, True)
