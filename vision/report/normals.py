"""The report of a model of surface normals: angles, share curves, examples."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.normals_records import EDGES, NormalsRecord
from vision.draw.normals import MAX_ANGLE, color_normals, draw_normals_errors
from vision.draw.ramps import ERROR, even_ramp
from vision.metrics.normals import THRESHOLDS
from vision.report.chapters import chapter
from vision.report.charts import Axis, Series, histogram, line_chart
from vision.report.examples import (
    changed_images,
    example_galleries,
    legend,
    no_examples,
    shrink,
    two_by_two,
)
from vision.report.page import Html, columns, picture, section, table
from vision.report.parts import EvaluatedData, Json, image_name
from vision.report.task_report import TaskReport

UNITS = (
    "mean, median and rmse are angles in degrees, where lower is better; the others are shares of"
    " pixels below an angle. All pixels of the set count together."
)
# Intervals of the histogram of the page hold so many of the record's.
TOGETHER = 4
# Up to this angle the page's charts go; the last interval holds all larger ones.
FARTHEST = 90.0
# Angles of the table of shares, in degrees.
SHARES = (5.0, 7.5, *THRESHOLDS, 45.0)


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: angles, shares, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: NormalsRecord = record.body
    shares = body.counts.cumsum() / max(int(body.counts.sum()), 1)
    return {
        "classes": [],
        "pixels": body.result.pixels,
        "angles": {"edges": EDGES.tolist(), "counts": body.counts.tolist()},
        "shares": {"below": EDGES[1:].tolist(), "share": shares.tolist()},
        "images": [
            {"place": place, "name": image_name(source.dataset, place), **numbers}
            for place, numbers in body.numbers.items()
        ],
    }


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its images come from.
    """
    lead = f"Angles between prediction and truth, of {parts['pixels']:,} pixels."
    return [
        section("Angles", *_angles(parts), lead=lead),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _angles(parts: Json) -> list[Html]:
    edges = np.array(parts["angles"]["edges"])[::TOGETHER]
    counts = np.array(parts["angles"]["counts"]).reshape(-1, TOGETHER).sum(axis=1)
    kept = int(np.searchsorted(edges, FARTHEST))
    shown = np.append(counts[: kept - 1], counts[kept - 1 :].sum())
    amounts = histogram(
        edges[: kept + 1].tolist(),
        shown.tolist(),
        title="Pixels by angle",
        x_title="angle, degrees",
        y_title="pixels",
    )
    below, share = np.array(parts["shares"]["below"]), np.array(parts["shares"]["share"])
    near = below <= FARTHEST
    curve = line_chart(
        [Series("share", np.append(0, below[near]), np.append(0, share[near]))],
        Axis("angle, degrees", 0.0, FARTHEST),
        Axis("share of pixels below", 0.0, 1.0),
        title="Share of pixels below an angle",
    )
    whole = np.interp(SHARES, np.append(0, below), np.append(0, share))
    rows = [(f"{angle:g}°", f"{value:.2%}") for angle, value in zip(SHARES, whole, strict=True)]
    cells = table(("angle", "share of pixels below"), rows, caption="To half a degree")
    return [columns(amounts, curve), cells]


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: NormalsRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    return section(
        "Examples",
        _legend(),
        *example_galleries(body.chosen, body.arrays, partial(_show_image, body, source)),
        lead="Image, ground truth, prediction and the angle between them; sorted by the mean angle."
        " Red, green and blue are x, y and z, each as (n + 1) / 2.",
    )


def _show_image(body: NormalsRecord, source: EvaluatedData, one: Scored) -> Html:
    held = source.dataset.example(one.place)
    target, found = held["normals"], torch.from_numpy(body.arrays[one.place])
    drawn = (
        held["image"],
        color_normals(target),
        color_normals(found),
        draw_normals_errors(found, target),
    )
    name = image_name(source.dataset, one.place)
    return picture(
        two_by_two([shrink(part) for part in drawn]),
        alt=f"{name}: image, ground truth, prediction and the angle between them",
        caption=f"{name}, mean angle {-one.score:.2f}°",
        large=True,
    )


def _legend() -> Html:
    ramp = even_ramp(ERROR)
    entries: list[tuple[str, Any]] = [
        ("faces the camera", (128, 128, 0)),
        ("faces up", (128, 0, 128)),
        ("faces left", (0, 128, 128)),
        ("faces right", (255, 128, 128)),
        ("0°", ramp[0]),
        (f"{MAX_ANGLE:g}° and more", ramp[-1]),
    ]
    return legend(entries, hatched="no normal")


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the images that gained and lost most since another evaluation.

    Args:
        record: The evaluation.
        source: Where its images come from.
        theirs: Rows of the other evaluation's images, by image name.
    """
    values = [
        (image_name(source.dataset, place), numbers["mean"])
        for place, numbers in record.body.numbers.items()
    ]
    what = "mean angle of the image in degrees; lower is better"
    return changed_images(values, theirs, column="mean", what=what, lower=True)


REPORT = TaskReport(
    headline=("mean", "median", "rmse", "below_11.25", "below_30"),
    class_metrics=(),
    analyse=analyse,
    sections=sections,
    changes=changes,
    units=UNITS,
)
