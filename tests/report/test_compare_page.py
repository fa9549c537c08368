import re
from pathlib import Path

import pytest
from helpers.browser import complaints, needs_browser, open_browser, overflow, show
from helpers.run_folders import VALIDATED, write_run

from vision.errors import ConfigError
from vision.report.compare import compare_runs
from vision.report.compare_page import write_comparison
from vision.report.runs import read_runs


def write(folder: Path, count: int, name: str = "version") -> Path:
    runs = [
        write_run(
            folder / f"{name}_{i}",
            [
                {key: value + i if key == "val/top1" else value for key, value in row.items()}
                for row in VALIDATED
            ],
            seed_everything=i,
        )
        for i in range(count)
    ]
    return write_comparison(compare_runs(read_runs(runs)), folder / "page.html")


def test_curves_of_all_runs_are_in_one_chart_per_metric(tmp_path: Path) -> None:
    text = write(tmp_path, 2).read_text()
    charts = re.findall(r'<figure class="chart"><h4>(.*?)</h4>(.*?)</figure>', text, re.S)
    assert [title for title, _ in charts] == ["val/top1", "val/loss"]
    for _, chart in charts:
        assert chart.count('class="curve') == 2
        assert all(f"version_{i}</li>" in chart for i in (0, 1))


def test_charts_are_over_epochs_and_mark_the_best_of_each_run(tmp_path: Path) -> None:
    text = write(tmp_path, 2).read_text()
    chart = text.split("<h4>val/top1</h4>")[1].split("</figure>")[0]
    assert ">epoch<" in chart
    titles = re.findall(r"<title>best (.*?)</title>", chart)
    assert [title.rpartition("/")[2] for title in titles] == [
        "version_0: 0.7500",
        "version_1: 1.7500",
    ]
    header = text.split("</header>")[0]
    assert "version_1 is better at val/top1 (1.7500)." in header


def test_the_best_is_bold_and_the_difference_coloured(tmp_path: Path) -> None:
    text = write(tmp_path, 2).read_text()
    (row,) = re.findall(r'<tr><th scope="row">val/top1 best</th>.*?</tr>', text)
    assert "<strong>1.7500</strong>" in row
    assert '<span class="gain">+1.0000</span>' in row
    assert "0.7500" in row


def test_headings_are_not_repeated_by_captions(tmp_path: Path) -> None:
    text = write(tmp_path, 2).read_text()
    captions = re.findall(r"<caption([^>]*)>", text)
    assert captions
    assert set(captions) == {' class="unseen"'}


def test_many_runs_are_rows(tmp_path: Path) -> None:
    text = write(tmp_path, 6).read_text()
    table = text.split("Validation during training of 6 runs")[-1]
    headings = re.findall(r'<th scope="col">(.*?)</th>', table.split("</thead>")[0])
    assert headings == ["run", "val/loss best", "val/loss last", "val/top1 best", "val/top1 last"]


def test_names_are_not_taken_for_markup(tmp_path: Path) -> None:
    text = write(tmp_path, 2, name="<b>bold").read_text()
    assert "<b>" not in text
    assert "&lt;b&gt;bold_1" in text


def test_a_single_run_and_notes(tmp_path: Path) -> None:
    text = write(tmp_path, 1).read_text()
    assert "no best.ckpt and no last.ckpt" in text
    assert "Differences are" not in text


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    compared = compare_runs(read_runs([write_run(tmp_path / "run")]))
    with pytest.raises(ConfigError, match="cannot be written"):
        write_comparison(compared, tmp_path / "run" / "config.yaml" / "page.html")


@needs_browser
def test_the_page_fits_phones_and_wide_screens(tmp_path: Path) -> None:
    page = write(tmp_path, 6)
    with open_browser() as driver:
        driver.get(page.as_uri())
        for width in (390, 1400):
            show(driver, width=width, dark=width < 500)
            assert overflow(driver) <= 0
        assert complaints(driver) == []
