"""The report of a depth estimator: errors by distance, ratio to the truth, examples."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from vision.callbacks.results.depth_records import DepthRecord
from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.draw.depth import color_depth, depth_span, draw_depth_errors, meters
from vision.draw.ramps import DEPTH, SIGNED, even_ramp
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
from vision.report.page import Html, columns, note, number, picture, section, table
from vision.report.parts import EvaluatedData, Json, image_name, unknown
from vision.report.task_report import TaskReport

UNITS = (
    "abs_rel, rmse_log, log10 and the shares delta1 to delta3 have no unit; sq_rel and rmse are in"
    " metres, silog in percent. Means over images; lower is better but for delta1 to delta3."
)
SHOWN = ("pixels", "abs_rel", "rmse", "delta1")


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: by distance, ratio to the truth, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: DepthRecord = record.body
    protocol = body.result.protocol
    factors = {} if protocol.scale == "none" else {"factors": body.result.factors()}
    return {
        "classes": [],
        "protocol": {**vars(protocol)},
        **factors,
        "distances": body.distances.rows(),
        "ratios": {**body.distances.ratio_histogram()},
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
    return [
        section("Distance", *_distances(parts), lead=_protocol_text(parts)),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _protocol_text(parts: Json) -> str:
    protocol = parts["protocol"]
    low, high = meters(protocol["min_depth"]), meters(protocol["max_depth"])
    text = f"Over all pixels with a reading between {low} and {high} m"
    if protocol["crop"] != "none":
        text += f", in the crop '{protocol['crop']}'"
    if "factors" in parts:
        median, spread = parts["factors"].values()
        text += (
            f"; predictions are scaled by {protocol['scale']}, with a median factor of"
            f" {number(median)} and a relative spread of {number(spread)}"
        )
    return f"{text}. Here each pixel counts once; the metrics above are means over images."


def _distances(parts: Json) -> list[Html]:
    rows = [row for row in parts["distances"] if row["pixels"]]
    if not rows:
        return [note("No pixel has a reading.")]
    middles = [(row["near"] + row["far"]) / 2 for row in rows]
    low, middle, high = (unknown([row[key] for row in rows]) for key in ("low", "middle", "high"))
    errors = line_chart(
        [Series("median", middles, middle, band=(low, high))],
        Axis("distance, m", 0.0),
        Axis("prediction / truth - 1"),
        title="Relative error by distance",
        explanation="The line is the median, the band holds 90 % of the pixels. Above 0 the"
        " prediction is too far.",
    )
    ratios = histogram(
        parts["ratios"]["edges"],
        parts["ratios"]["counts"],
        title="Pixels by prediction / truth",
        x_title="prediction / truth",
        y_title="pixels",
    )
    total = sum(row["pixels"] for row in rows)
    cells = [
        (
            f"{meters(row['near'])} to {meters(row['far'])} m",
            row["pixels"],
            f"{row['pixels'] / total:.1%}",
            row["abs_rel"],
            row["rmse"],
            row["delta1"],
        )
        for row in rows
    ]
    headings = ("distance", "pixels", "share", "abs_rel", "rmse, m", "delta1")
    shown = table(headings, cells, caption="Errors by distance")
    return [columns(errors, ratios), shown]


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: DepthRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    return section(
        "Examples",
        _legend(),
        *example_galleries(body.chosen, body.arrays, partial(_show_image, body, source)),
        lead="Image, ground truth, prediction and relative error; sorted by abs_rel. Truth and"
        " prediction have the same colours.",
    )


def _show_image(body: DepthRecord, source: EvaluatedData, one: Scored) -> Html:
    held = source.dataset.example(one.place)
    target, found = held["depth"], torch.from_numpy(body.arrays[one.place])
    span = depth_span(target)
    drawn = (
        held["image"],
        color_depth(target, span),
        color_depth(found, span),
        draw_depth_errors(found, target),
    )
    name = image_name(source.dataset, one.place)
    numbers = body.numbers[one.place]
    low, high = f"{span.near_m:.2f}", f"{span.far_m:.2f}"
    return picture(
        two_by_two([shrink(part) for part in drawn]),
        alt=f"{name}: image, ground truth, prediction and relative error",
        caption=f"{name}, abs_rel {-one.score:.3f}, rmse {numbers['rmse']:.3f} m, colours {low} to"
        f" {high} m",
        large=True,
    )


def _legend() -> Html:
    depth, signed = even_ramp(DEPTH), even_ramp(SIGNED)
    entries: list[tuple[str, Any]] = [
        ("near", depth[0]),
        ("far", depth[-1]),
        ("25 % too near", signed[0]),
        ("25 % too far", signed[-1]),
    ]
    return legend(entries, hatched="no reading")


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
        (image_name(source.dataset, place), numbers["abs_rel"])
        for place, numbers in record.body.numbers.items()
        if math.isfinite(numbers["abs_rel"])
    ]
    what = "abs_rel of the image; lower is better"
    return changed_images(values, theirs, column="abs_rel", what=what, lower=True)


REPORT = TaskReport(
    headline=("abs_rel", "rmse", "delta1", "silog"),
    class_metrics=(),
    analyse=analyse,
    sections=sections,
    changes=changes,
    units=UNITS,
)
