import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import background, complaints, needs_browser, open_browser, overflow, show
from helpers.refusals import refuses
from helpers.report_cases import (
    EVIL,
    classification_case,
    detection_case,
    segmentation_case,
    subject,
)

from vision.errors import ConfigError, DataError
from vision.report.build import write_report
from vision.tasks import BaseTask

Case = Callable[[Path, int], Any]
# How much of its place a confusion matrix fills, or of the width that keeps its cells small.
MATRIX_SHARE = """
const svg = document.querySelector(".matrix svg");
const most = parseFloat(getComputedStyle(svg).maxWidth);
return svg.getBoundingClientRect().width / Math.min(most, svg.parentElement.clientWidth);
"""
CASES: dict[str, Case] = {
    "classification": lambda folder, seed: classification_case(seed),
    "detection": lambda folder, seed: detection_case(folder / "coco", seed),
    "segmentation": lambda folder, seed: segmentation_case(seed),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of a report of each task, compared with another one."""
    folders = {}
    for kind, make in CASES.items():
        folder = tmp_path_factory.mktemp(kind)
        (folder / "metrics.csv").write_text("step,train/loss,val/top1\n1,2.0,\n2,1.0,0.5\n")
        about = subject(folder, run=folder)
        write_report(folder / "before", *_swap(make(folder, 1), about))
        before = folder / "before" / "report.json"
        write_report(folder / "now", *_swap(make(folder, 0), about), against=before)
        folders[kind] = folder / "now"
    return folders


def _swap(case: Any, about: Any) -> tuple[Any, Any, Any]:
    record, source = case
    return record, about, source


@pytest.mark.parametrize("kind", CASES)
def test_the_file_has_what_was_measured_and_on_what(reports: dict[str, Path], kind: str) -> None:
    folder = reports[kind]
    report = json.loads((folder / "report.json").read_text())
    record, _ = CASES[kind](folder.parent, 0)
    assert report["metrics"] == record.metrics
    assert (report["kind"], report["split"], report["images"]) == (kind, "val", record.images)
    assert report["checkpoint"]["sha256"] == hashlib.sha256(b"1234").hexdigest()
    assert report["checkpoint"]["bytes"] == 4
    assert {"torch", "vision", "python"} <= {*report["versions"]}
    assert report["hardware"]["cores"] >= 1
    assert report["curves_of_training"]["train/loss"]["value"] == [2.0, 1.0]
    assert len(report["classes"]) == len(record.class_names)
    assert {"confusion", "calibration", "against"} <= {*report}
    with (folder / "images.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == record.images
    assert all(0 <= float(row["score"]) <= 1 for row in rows)


@pytest.mark.parametrize("kind", CASES)
def test_the_page_is_one_file_without_foreign_markup(reports: dict[str, Path], kind: str) -> None:
    whole = (reports[kind] / "report.html").read_text()
    assert EVIL not in whole
    assert "<script" not in whole
    assert "http://" not in whole
    assert "https://" not in whole
    for title in ("Metrics", "Difference", "Training", "Classes", "Confusion", "Examples"):
        assert f"<h2>{title}</h2>" in whole
    assert len(whole) < 3_000_000


@pytest.mark.parametrize("kind", CASES)
def test_captions_do_not_repeat_headings(reports: dict[str, Path], kind: str) -> None:
    whole = (reports[kind] / "report.html").read_text()
    heading = ""
    seen = 0
    pattern = r"<h[234]>(.*?)</h[234]>|<caption>(.*?)</caption>|<figcaption>(.*?)</figcaption>"
    for title, *captions in re.findall(pattern, whole, re.S):
        heading = title or heading
        for caption in filter(None, captions):
            assert heading.lower() not in caption.lower()
            seen += 1
    assert seen >= 3


@needs_browser
def test_pages_fit_phones_and_wide_screens_in_light_and_dark(reports: dict[str, Path]) -> None:
    with open_browser() as driver:
        for kind, folder in reports.items():
            driver.get((folder / "report.html").as_uri())
            grounds = {}
            for width in (390, 1400):
                for dark in (False, True):
                    show(driver, width=width, dark=dark)
                    assert overflow(driver) <= 0, (kind, width)
                    grounds[dark] = background(driver)
            assert sum(grounds[True]) < 200 < 600 < sum(grounds[False])
            assert complaints(driver) == []
            assert driver.execute_script(MATRIX_SHARE) >= 0.95, kind
            broken = "return [...document.images].filter(i => !i.naturalWidth).length"
            assert driver.execute_script(broken) == 0
            assert driver.execute_script("return document.images.length") >= 5
            unnamed = "return document.querySelectorAll('img:not([alt]),th:not([scope])').length"
            assert driver.execute_script(unnamed) == 0
            asked = [
                entry["message"]
                for entry in driver.get_log("performance")
                if "Network.requestWillBeSent" in entry["message"]
            ]
            assert not [
                one
                for one in asked
                if "http" in json.loads(one)["message"]["params"]["request"]["url"][:5]
            ]


def test_unknown_tasks_and_other_reports_are_refused(tmp_path: Path) -> None:
    record, source = classification_case()

    class Other(BaseTask):
        kind = "detektion"

    with refuses(ConfigError, "'detektion'", "'detection'"):
        write_report(tmp_path, record._replace(task=Other), subject(tmp_path), source)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DataError, match="is not a report"):
        write_report(tmp_path, record, subject(tmp_path), source, against=tmp_path / "other.json")
