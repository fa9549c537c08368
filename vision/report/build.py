"""A report of an evaluation: one JSON file, one page, and a table of the images."""

import datetime
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vision.callbacks.results.evaluation_records import Record
from vision.contracts.models import ModelDescription
from vision.documents.csv_writing import write_rows
from vision.documents.json_writing import to_json
from vision.files import sha256_of, write_text
from vision.kinds import DESIGNS
from vision.machine import describe_hardware, list_versions
from vision.report.against import IMAGES, REPORT, against_section, compare, read_images, read_report
from vision.report.chapters import chapter, chapters
from vision.report.curves import Training, curves_section, read_curves, read_epochs
from vision.report.page import (
    Html,
    big_numbers,
    details,
    facts,
    join,
    note,
    number,
    page,
    section,
    table,
    write_page,
)
from vision.report.parts import EvaluatedData, Json, known
from vision.report.task_report import TaskReport
from vision.task_parts import find_part
from vision.version import __version__
from vision.wording import counted

PAGE = "report.html"
# Columns of `images.csv` when there are no images.
IMAGE_COLUMNS = ("place", "name", "score")
FOLDED = 8  # a table of metrics with this many rows is folded: the sections below repeat them
FORMAT = 1  # version of the JSON file
PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "numpy", "pillow")


class Subject(NamedTuple):
    """What was evaluated.

    Attributes:
        description: Description of the model.
        parameters: Number of model parameters.
        data: Options of the data, plain values, with `name`.
        checkpoint: File of the weights.
        run: Folder of the run that trained it; None if there is none.
        command: Command that makes the report again.
    """

    description: ModelDescription
    parameters: int
    data: Mapping[str, Any]
    checkpoint: Path
    run: Path | None
    command: str = ""


def write_report(
    folder: Path,
    record: Record,
    subject: Subject,
    source: EvaluatedData,
    *,
    against: Path | None = None,
) -> Json:
    """Write `report.json`, `report.html` and `images.csv`.

    Args:
        folder: Where to write them; created if absent.
        record: The evaluation.
        subject: What was evaluated.
        source: Where its images come from.
        against: Report file of another evaluation to compare with, or None.

    Returns:
        Contents of the JSON file.

    Raises:
        ConfigError: The task has no report.
        DataError: The other file is not a report, or belongs to another task.
    """
    begin = time.perf_counter()
    theirs = None if against is None else read_report(against)
    own: TaskReport = find_part(record.task, "report")
    parts = own.analyse(record, source)
    report = {**_head(record, subject), **parts, "curves_of_training": read_curves(subject.run)}
    images = report.pop("images", [])
    report["images"] = record.images
    report["part_of"] = record.part_of
    if theirs is not None:
        report["against"] = compare(report, theirs, own.class_metrics)
    report["seconds"]["report"] = round(time.perf_counter() - begin, 3)
    # The numbers come first: a failure in the page must not lose them.
    write_rows(folder / IMAGES, images, IMAGE_COLUMNS)
    write_text(folder / REPORT, to_json(report, indent=1) + "\n")
    sections = [_metrics(report, own.units)]
    if theirs is not None and against is not None:
        changes = partial(_changes, own, report, theirs, against, record, source)
        sections.append(chapter("Difference", changes))
    training = partial(_training, report, record, subject)
    sections += [one for one in chapters("Training", training) if one]
    shown = partial(own.sections, {**parts, "images": images}, record, source)
    sections += chapters("Classes", shown)
    sections.append(_about(report))
    title = f"{report['model']['name']} on {report['data']['name']}"
    write_page(folder / PAGE, page(title, sections, header=_header(report, own.headline)))
    return report


def _changes(
    own: TaskReport,
    report: Json,
    theirs: Json,
    against: Path,
    record: Record,
    source: EvaluatedData,
) -> Html:
    changed = own.changes(record, source, read_images(against))
    return against_section(report["against"], report, theirs, changed, own.class_metrics)


def _training(report: Json, record: Record, subject: Subject) -> list[Html]:
    about = Training(
        epochs=read_epochs(subject.run),
        monitor=getattr(record.task, "monitor", None),
        arguments=subject.description["hyper_parameters"],
    )
    return [curves_section(report["curves_of_training"], about) or Html()]


def _head(record: Record, subject: Subject) -> Json:
    described = subject.description
    design = next(
        (described["hyper_parameters"][key] for key in DESIGNS
         if key in described["hyper_parameters"]),
        None,
    )  # fmt: skip
    name = " ".join(part for part in (design, described["backbone"]) if part)
    return {
        "format": FORMAT,
        "kind": record.kind,
        "split": record.stage,
        "model": {
            "name": name,
            "task": described["task"],
            "backbone": described["backbone"],
            "design": design,
            "parameters": subject.parameters,
            "classes": len(record.class_names),
            "epoch": described["epoch"],
            "step": described["step"],
        },
        "data": dict(subject.data),
        "checkpoint": {
            "path": str(subject.checkpoint),
            "sha256": sha256_of(subject.checkpoint),
            "bytes": subject.checkpoint.stat().st_size,
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": subject.command,
        "versions": list_versions(PACKAGES),
        "hardware": describe_hardware(),
        "seconds": {"evaluation": round(record.seconds, 3)},
        "metrics": record.metrics,
    }


# -------------------------------------------------------------------------------------------- page


def _header(report: Json, big: tuple[str, ...]) -> Html:
    numbers = [
        (name, number(known(report["metrics"][f"{report['split']}/{name}"])))
        for name in big
        if f"{report['split']}/{name}" in report["metrics"]
    ]
    model, data = report["model"], report["data"]
    classes = f", {counted(model['classes'], 'classes')}" if model["classes"] else ""
    part = "Only a part of the set was evaluated: the whole set may give other numbers."
    return join(
        [
            note(part) if report["part_of"] else "",
            big_numbers(numbers),
            facts(
                [
                    ("Model", f"{model['task']}, {model['name']}{classes}"),
                    ("Data", f"{data['name']}, {report['split']}, {images_text(report)}"),
                    ("Checkpoint", report["checkpoint"]["path"]),
                    ("Made", f"{report['created']}, vision {__version__}"),
                ]
            ),
        ]
    )


def images_text(report: Json) -> str:
    """How many images a report covers, and of how many if they are a part of the set."""
    whole = report.get("part_of")
    if whole is None:
        return counted(report["images"], "images")
    return f"{report['images']:,} of {counted(whole, 'images')}"


def _metrics(report: Json, units: str) -> Html:
    rows = [(name, known(value)) for name, value in report["metrics"].items()]
    shown = table(("metric", "value"), rows, caption="As logged by the evaluation")
    if len(rows) > FOLDED:
        shown = details(f"All {len(rows)} metrics", shown)
    return section("Metrics", shown, lead=units)


def _about(report: Json) -> Html:
    model, checkpoint, data = report["model"], report["checkpoint"], report["data"]
    return section(
        "About",
        facts(
            [
                ("Parameters", f"{model['parameters']:,}"),
                (
                    "Trained",
                    f"{counted(model['epoch'], 'epochs')}, {counted(model['step'], 'steps')}",
                ),
                ("Checkpoint", checkpoint["path"]),
                ("SHA-256", checkpoint["sha256"]),
                ("File size", f"{checkpoint['bytes'] / 1e6:,.1f} MB"),
                *((f"Data: {key}", value) for key, value in data.items()),
                ("Evaluation time, s", number(report["seconds"]["evaluation"], digits=1)),
                ("Versions", ", ".join(f"{k} {v}" for k, v in report["versions"].items())),
                ("Hardware", _hardware(report["hardware"])),
                *([("Command", report["command"])] if report["command"] else []),
            ]
        ),
    )


def _hardware(found: Json) -> str:
    gpus = [gpu["name"] for gpu in found["gpus"]]
    cores, threads = counted(found["cores"], "cores"), counted(found["threads"], "threads")
    return ", ".join([*gpus, found["cpu"], cores, threads])
