"""The report of a segmentor of point clouds: classes, confusion, rooms, examples with errors."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.points_images import load_room
from vision.callbacks.results.points_records import PointRecord
from vision.draw.points import draw_comparison
from vision.metrics.points.table import PointScores
from vision.report.chapters import chapter
from vision.report.charts import histogram
from vision.report.examples import changed_images, example_galleries, no_examples
from vision.report.page import Html, columns, picture, section, table
from vision.report.parts import (
    TALL,
    EvaluatedData,
    Json,
    class_table,
    confusion_html,
    confusion_json,
    known,
)
from vision.report.task_report import TaskReport

COLUMNS = {
    "IoU": "IoU",
    "recall": "recall (Acc)",
    "precision": "precision",
    "share": "share of points",
}
BINS = 20
SIDE = 300  # pixels of a view
# With more classes a table of rooms has no column for each.
MAX_COLUMNS = 20


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: per class, confusion, rooms.

    Args:
        record: The evaluation.
        source: Where its rooms come from.
    """
    body: PointRecord = record.body
    result = body.result
    return {
        "classes": _classes(result, record.class_names),
        "confusion": confusion_json(result.confusion, record.class_names),
        "images": [
            {"place": body.places[name], "name": name, "score": row["mIoU"], **row}
            for name, row in zip(result.rooms, result.room_rows(), strict=True)
        ],
    }


def _classes(result: PointScores, names: Sequence[str]) -> list[Json]:
    areas = result.whole.areas
    precision = np.divide(
        areas.intersection,
        areas.predicted,
        out=np.full(result.num_classes, np.nan),
        where=areas.predicted > 0,
    )
    return [
        {
            **{key: value for key, value in row.items() if key not in ("class", "name", "Acc")},
            "name": name,
            "recall": row["Acc"],
            "precision": known(precision[k]),
        }
        for k, (row, name) in enumerate(zip(result.rows(), names, strict=True))
    ]


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its rooms come from.
    """
    return [
        section(
            "Classes",
            class_table(
                parts["classes"],
                COLUMNS,
                bars=("IoU", "recall", "precision"),
                caption="Lowest IoU first",
            ),
            lead="Over the labelled points of all files together.",
        ),
        section(
            "Confusion",
            confusion_html(
                parts["confusion"], unit="points", title="Points by true and predicted class"
            ),
        ),
        section(
            "Rooms",
            *_rooms(parts["images"], record.class_names),
            lead="The mean IoU of a room is over the classes that are in it or its prediction; the "
            "mean over rooms is not the mIoU of the set, which sums over all points.",
        ),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _rooms(rows: Sequence[Json], names: Sequence[str]) -> list[Html]:
    """How many rooms have which score, and a row for each room, the worst first."""
    ordered = sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0.0))
    edges = np.linspace(0, 1, BINS + 1)
    scores = [row["score"] for row in rows if row["score"] is not None]
    counts, _ = np.histogram(scores, bins=edges)
    chart = histogram(
        edges.tolist(),
        counts.tolist(),
        title="Rooms by mean IoU",
        x_title="mean IoU",
        y_title="rooms",
    )
    shown = names if len(names) <= MAX_COLUMNS else ()
    keys = ["points", "OA", *(f"IoU_{name}" for name in shown)]
    cells = [[row["name"], row["score"], *(row.get(key) for key in keys)] for row in ordered]
    whole = table(
        ("room", "mIoU", "points", "OA", *shown),
        cells,
        caption="Lowest mean IoU first",
        digits=3,
        tall=len(cells) > TALL,
    )
    return [columns(chart), whole]


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: PointRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    return section(
        "Examples",
        *example_galleries(body.chosen, body.labels, partial(_show_room, record, source)),
        lead="The points in their colours, in those of their true and of their predicted classes, "
        "and the wrong ones in red, from two sides; walls before the eye and the ceiling are cut "
        "off. Sorted by mean IoU.",
    )


def _show_room(record: Record, source: EvaluatedData, one: Scored) -> Html:
    body: PointRecord = record.body
    room = load_room(source.dataset, one.place, body.labels[one.place])
    drawn = draw_comparison(*room, names=record.class_names, palette=body.palette, side=SIDE)
    return picture(
        drawn.permute(1, 2, 0).numpy(),
        alt=f"{one.name}: points, ground truth, prediction and errors",
        caption=f"{one.name}, mIoU {one.score:.3f}",
        large=True,
    )


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the rooms that gained and lost most since another evaluation.

    Args:
        record: The evaluation.
        source: Where its rooms come from.
        theirs: Rows of the other evaluation's rooms, by name.
    """
    result: PointScores = record.body.result
    values = [
        (str(row["room"]), float(row["mIoU"]))
        for row in result.room_rows()
        if row["mIoU"] is not None
    ]
    return changed_images(values, theirs, column="score", what="mean IoU of the room")


REPORT = TaskReport(
    headline=("mIoU", "mAcc", "OA"),
    class_metrics=("IoU", "recall", "precision"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
