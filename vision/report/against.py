"""The difference between two evaluations: metrics, classes, images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.callbacks.results.part_of_set import SUFFIX
from vision.documents.csv_text import read_csv
from vision.documents.csv_writing import read_cell
from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.metrics.directions import direction
from vision.program import command
from vision.reading import MAX_TABLE_BYTES, user_path
from vision.report.page import Html, columns, note, section, signed, subsection, table
from vision.report.parts import Json

REPORT = "report.json"
IMAGES = "images.csv"
FOLDER = "evaluation"
MAX_CLASSES = 10


def find_report(given: Path | str, split: str = "val", *, part: bool = False) -> Path | None:
    """Find the report file of a run.

    Args:
        given: The file, its folder, or the folder of a run.
        split: `"val"` or `"test"`; each has its own report.
        part: Whether the report of a part of the set serves where there is none of the whole.

    Returns:
        Path of the report, or None if the folder has none.

    Raises:
        DataError: The path does not exist.
    """
    path = user_path(given, what="--against")
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(
            f"--against {given}: there is no such run or report; it was looked for at"
            f" {path.resolve()}. Give the folder of a run, or a {REPORT}."
        )
    folders = [path, path / report_folder(split)]
    folders += [path / report_folder(split, part=True)] if part else []
    options = (folder / REPORT for folder in folders)
    return next((option for option in options if option.is_file()), None)


def report_folder(split: str, *, part: bool = False) -> str:
    """Name of the folder, within a run, for the report of a split or of a part of it."""
    return f"{FOLDER}{'' if split == 'val' else f'_{split}'}{SUFFIX if part else ''}"


def read_report(path: Path) -> Json:
    """Read a report file.

    Raises:
        DataError: The file is not a report.
    """
    report = read_json(path, what="report", max_bytes=MAX_TABLE_BYTES, finite=False)
    if not isinstance(report, dict) or not {"kind", "metrics", "classes"} <= {*report}:
        raise DataError(
            f"'{path}' is not a report: expected a {REPORT} that "
            f"`{command('evaluate')} model` wrote."
        )
    return report


def read_images(report: Path) -> dict[str, dict[str, str]]:
    """Rows of the `images.csv` beside a report, by image name; empty if there is no file."""
    file = report.with_name(IMAGES)
    if not file.is_file():
        return {}
    rows = read_csv(file, columns=["name"], what="table of images")
    return {read_cell(row["name"]): row for row in rows}


def compare(ours: Json, theirs: Json, class_metrics: Sequence[str]) -> Json:
    """Subtract the other report from ours, for every metric and class that both have.

    Args:
        ours: A report.
        theirs: The other report.
        class_metrics: Names of the per-class metrics to compare.

    Returns:
        `"metrics"`, rows with `name`, `ours`, `theirs`, `difference`, and `"classes"`, the same
        rows with the `metric` of each class, largest difference first.

    Raises:
        DataError: The reports belong to different tasks.
    """
    require_kind(theirs, ours["kind"])
    return {
        "name": theirs.get("model", {}).get("name"),
        "checkpoint": theirs.get("checkpoint", {}).get("path"),
        "images": theirs.get("images"),
        "metrics": _differences(_numbers(ours), _numbers(theirs)),
        "classes": _class_differences(ours, theirs, class_metrics),
    }


def require_kind(report: Json, kind: str) -> None:
    """Check that a report belongs to a kind of task.

    Raises:
        DataError: It belongs to another kind.
    """
    if report["kind"] != kind:
        raise DataError(
            f"--against: a {kind} cannot be compared with a {report['kind']}; give a run of the"
            " same task."
        )


def _numbers(report: Json) -> dict[str, Any]:
    """Metrics without the stage in their name, so that validation and test can be compared."""
    numbers = {name.partition("/")[2]: value for name, value in report["metrics"].items()}
    calibration = report.get("calibration") or {}
    return {**numbers, "ece": calibration.get("ece")}


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Json]:
    return [
        {"name": name, "ours": value, "theirs": theirs[name], "difference": value - theirs[name]}
        for name, value in ours.items()
        if value is not None and theirs.get(name) is not None
        # COCO's value for "no ground truth".
        if -1 not in (value, theirs[name])
    ]


def _class_differences(ours: Json, theirs: Json, class_metrics: Sequence[str]) -> list[Json]:
    others = {row["name"]: row for row in theirs["classes"]}
    rows = []
    for metric in class_metrics:
        mine = {row["name"]: row.get(metric) for row in ours["classes"]}
        before = {name: row.get(metric) for name, row in others.items()}
        rows += [{"metric": metric, **row} for row in _differences(mine, before)]
    return sorted(rows, key=lambda row: -row["difference"])


def against_section(
    compared: Json,
    ours: Json,
    theirs: Json,
    images: Sequence[Html],
    class_metrics: Sequence[str],
) -> Html:
    """Make the section of a page with the differences.

    Args:
        compared: Result of `compare`.
        ours: Our report.
        theirs: The other report.
        images: Makes the sections with the images that changed.
        class_metrics: Names of the per-class metrics; the first one that both have sorts.
    """
    rows = [
        (
            row["name"],
            row["theirs"],
            row["ours"],
            signed(row["difference"], better=direction(row["name"])),
        )
        for row in compared["metrics"]
    ]
    metrics = table(("metric", "before", "now", "difference"), rows, caption="All metrics")
    warning = ""
    if ours.get("images") != theirs.get("images") or ours.get("split") != theirs.get("split"):
        warning = note(
            f"Other images: {ours.get('images'):,} of {ours.get('split')} now, "
            f"{theirs.get('images'):,} of {theirs.get('split')} before."
        )
    lead = f"Against {compared['name']}, {compared['checkpoint']}: difference = now - before."
    classes = _class_tables(compared, class_metrics) if class_metrics else ""
    return section("Difference", warning, metrics, classes, *images, lead=lead)


def _class_tables(compared: Json, class_metrics: Sequence[str]) -> Html:
    present = {row["metric"] for row in compared["classes"]}
    lead = next((metric for metric in class_metrics if metric in present), None)
    if lead is None:
        return note("The reports have no class in common.")
    rows = [row for row in compared["classes"] if row["metric"] == lead]
    halves = (
        ("Largest gains of classes", [row for row in rows if row["difference"] > 0]),
        ("Largest losses of classes", [row for row in rows[::-1] if row["difference"] < 0]),
    )
    shown = []
    for title, chosen in halves:
        body = [
            (row["name"], row["theirs"], row["ours"], signed(row["difference"]))
            for row in chosen[:MAX_CLASSES]
        ]
        cells = table(("class", "before", "now", "difference"), body, caption=f"By {lead}")
        shown.append(subsection(title, cells if body else note("None.")))
    return columns(*shown)
