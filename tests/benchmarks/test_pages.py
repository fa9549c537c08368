"""What a page has between its marks is what the stored results give; plots show those figures."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.benchmarks.load import Load
from vision.benchmarks.pages import fill_page, table_markdown, write_page
from vision.benchmarks.plots import Point, accuracy_points, cost_points
from vision.benchmarks.results import Environment, Row, Table, read_tables, write_tables
from vision.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "# A page\n\n<!-- results: speed -->\nold\n<!-- end of results -->\n\nAfter.\n"
ENVIRONMENT = Environment(
    date="2026-01-02",
    versions={"torch": "2.14.1", "python": "3.11"},
    hardware={"cpu": "A Processor", "gpus": []},
    device="cpu",
    threads=2,
    load=Load(0.1, 1.0, 0.01),
)
TABLE = Table(
    "Backbones",
    "vision benchmark backbones",
    ENVIRONMENT,
    (
        Row("swin_tiny, inference", "ms/image", 100.0, 109.0, "timm", 1.09, 0.91, 1.29, 7),
        Row("swin_tiny, inference", "CPU ms/image", 50.0, 60.0, "timm", 1.2, 1.1, 1.3, 7),
        Row("swin_tiny, kept", "MiB/image", 76.4321),
    ),
    ("Not measured: a GPU.",),
)


def test_every_table_of_the_docs_is_what_its_file_gives() -> None:
    page = DOCS / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    results = {file.stem: read_tables(file) for file in (DOCS / "benchmarks").glob("*.json")}
    assert fill_page(text, results) == text
    places = re.findall(r"^<!-- results: ([\w-]+) -->$", text, re.MULTILINE)
    assert set(places) == results.keys()


def test_a_page_gets_the_tables_of_its_files_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_tables([TABLE], tmp_path / "speed.json")
    write_page(files=[tmp_path / "speed.json"], page=page, plots=tmp_path / "plots")
    assert page.read_text().splitlines() == [
        "# A page",
        "",
        "<!-- results: speed -->",
        "Backbones: `vision benchmark backbones`, 2026-01-02, A Processor, 2 threads, "
        "torch 2.14.1; load average 0.10 before, 1.00 after; other processes took 1% of the "
        "processor time.",
        "",
        "| | unit | ours | theirs | peer | ratio (95 % interval) |",
        "|---|---|---:|---:|---|---:|",
        "| swin_tiny, inference | ms/image | 100 | 109 | timm | 1.09 (0.91 to 1.29) |",
        "| swin_tiny, kept | MiB/image | 76.43 | - | - | - |",
        "",
        "Not measured: a GPU.",
        "<!-- end of results -->",
        "",
        "After.",
    ]
    drawn = (tmp_path / "plots" / "accuracy.svg").read_text()
    assert "swin_tiny" in drawn
    # Once more changes nothing.
    before = page.read_text()
    write_page(files=[tmp_path / "speed.json"], page=page, plots=tmp_path / "plots")
    assert page.read_text() == before
    assert (tmp_path / "plots" / "accuracy.svg").read_text() == drawn


def test_a_busy_machine_shows_the_times_of_the_processor() -> None:
    busy = replace(TABLE, environment=replace(ENVIRONMENT, load=Load(0.1, 1.0, 0.5)))
    text = table_markdown(busy)
    assert "CPU ms/image | 50" in text
    assert "| ms/image |" not in text


def test_a_table_without_a_peer_has_no_columns_for_one() -> None:
    table = replace(TABLE, rows=TABLE.rows[2:], notes=())
    filled = fill_page(PAGE, {"speed": [table, table]})
    assert (
        filled.count("| | unit | |\n|---|---|---:|\n| swin_tiny, kept | MiB/image | 76.43 |") == 2
    )


def test_what_has_no_place_or_no_file_is_refused(tmp_path: Path) -> None:
    with refuses(ConfigError, "no place for 'memory' (speed)", "<!-- results: memory -->"):
        fill_page(PAGE, {"memory": [TABLE]})
    page = tmp_path / "page.md"
    with refuses(ConfigError, "page.md is no page", "--page"):
        write_page(files=[], page=page, plots=None)
    page.write_text(PAGE)
    with refuses(ConfigError, "speed.json is absent", "--json FILE"):
        write_page(files=[tmp_path / "speed.json"], page=page, plots=None)


def test_points_of_plots_are_the_rows_figures() -> None:
    assert accuracy_points([TABLE]) == [Point("swin_tiny", 10.0, pytest.approx(81.2))]
    costs = [
        Row("rmt_tiny, kept, lean at 224 x 224", "MiB/image", 90.0),
        Row("rmt_tiny, kept, lean at 448 x 448", "MiB/image", 400.0),
    ]
    found = cost_points([replace(TABLE, rows=costs), TABLE])
    kept = [Point("rmt_tiny", 224, 90), Point("rmt_tiny", 448, 400)]
    assert found == {"kept, lean, MiB/image": kept}
