"""The report of boxes in space: average precision, distance and occlusion, errors, examples."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from vision.annotations.kitti_levels import LEVELS
from vision.callbacks.results.detection3d_images import draw_found, score_evaluated
from vision.callbacks.results.detection3d_records import Boxes3DRecord
from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored, choose_images
from vision.metrics.kitti.breakdown import DISTANCES, break_down, interval_name
from vision.metrics.kitti.joined import join_images
from vision.metrics.kitti.table import LOGGED, METRICS, MODERATE
from vision.report.chapters import chapter
from vision.report.charts import Axis, Series, histogram, line_chart
from vision.report.examples import changed_images, example_galleries, no_examples
from vision.report.page import Html, columns, note, picture, section, subsection, table
from vision.report.parts import (
    FRACTION,
    EvaluatedData,
    Json,
    image_name,
    image_paths,
    known,
    unknown,
)
from vision.report.task_report import TaskReport
from vision.wording import counted

EXAMPLES = 6
GROUPED = {
    "AP_3D": "AP 3D",
    "AP_3D_loose": "AP 3D, smaller overlap",
    "AP_BEV": "AP BEV",
    "AP_BEV_loose": "AP BEV, smaller overlap",
}
MEDIANS = {
    "depth_m": "depth, m",
    "across_m": "sideways, m",
    "vertical_m": "height of the centre, m",
    "height_share": "height, relative",
    "width_share": "width, relative",
    "length_share": "length, relative",
    "yaw_degrees": "yaw, degrees",
}


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: AP, by distance and occlusion, errors, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: Boxes3DRecord = record.body
    result = body.result
    truth, found = ([pair[side] for pair in body.images.values()] for side in (0, 1))
    joined = join_images(truth, found)
    ap = result.ap["R40"][0, :, :, MODERATE]  # (4, K)
    scored = score_evaluated(body.images, result.classes, image_paths(source.dataset))
    return {
        "classes": [
            {
                "name": name,
                **{LOGGED[metric]: known(ap[m, k]) for m, metric in enumerate(METRICS)},
                **break_down(joined, name)[0],
            }
            for k, name in enumerate(result.classes)
        ],
        "ap": result.rows(),
        "images": [
            {
                "place": one.place,
                "name": image_name(source.dataset, one.place),
                "score": one.score,
                "objects": one.objects,
            }
            for one in scored
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
        _table(parts["ap"]),
        section(
            "Distance and occlusion",
            *_each_class(parts["classes"], _groups),
            lead="AP over 40 recalls of the objects of difficulty hard or easier. Detections that "
            "match nothing are false at their own distance, and at every occlusion. Found are "
            "objects with a detection whose box in the image overlaps by more than a half. With "
            "few objects AP is low even if all are found.",
        ),
        section(
            "Errors",
            *_each_class(parts["classes"], _errors),
            lead="Of objects with a detection whose box in the image overlaps by more than a half, "
            "however far apart they are in space.",
        ),
        chapter("Examples", partial(_examples, parts["images"], record, source)),
    ]


def _each_class(rows: Sequence[Json], show: Callable[[Json], list[Html]]) -> list[Html]:
    return [subsection(row["name"], *show(row)) for row in rows]


def _groups(row: Json) -> list[Html]:
    """AP by distance as lines, and the numbers of both groups."""
    found = [one for one in row["distance"] if one["objects"]]
    if not found:
        return [note("There are no objects.")]
    # All intervals are as wide as the first one; the last, which is open, is drawn like them.
    half = DISTANCES[1] / 2
    middles = [
        near + half for near, one in zip(DISTANCES, row["distance"], strict=False) if one["objects"]
    ]
    lines = [
        Series(title, middles, unknown([one[key] for one in found]))
        for key, title in GROUPED.items()
    ]
    chart = line_chart(
        lines, Axis("distance, m", 0.0), FRACTION._replace(title="AP"), title="AP by distance"
    )
    headings = ("", "objects", "found", *GROUPED.values())
    tables = [
        table(
            headings,
            [
                (one["name"], one["objects"], one["seen"], *(one[key] for key in GROUPED))
                for one in row[group]
            ],
            caption=f"By {group}",
            digits=3,
        )
        for group in ("distance", "occlusion")
    ]
    return [chart, *tables]


def _errors(row: Json) -> list[Html]:
    """The error of the depth by distance, that of yaw, and medians of all."""
    rows = row["errors"]
    if not rows:
        return [note("No object was found.")]
    low, middle, high = ([one[key] for one in rows] for key in ("low", "middle", "high"))
    depth = line_chart(
        [Series("median", [one["distance"] for one in rows], middle, band=(low, high))],
        Axis("distance, m", 0.0),
        Axis("detected - true depth, m"),
        title="Error of the depth by distance",
        explanation="The line is the median, the band holds 90 % of the objects. Above 0 they are "
        "placed too far away.",
    )
    turns = histogram(
        row["yaw"]["edges"],
        row["yaw"]["counts"],
        title="Objects by the error of yaw",
        x_title="error of yaw, degrees",
        y_title="objects",
    )
    everything = {"name": "all", "pairs": row["pairs"], **row["median"]}
    cells = [
        (
            one.get("name")
            or interval_name(one["near"], np.inf if one["far"] is None else one["far"]),
            one["pairs"],
            *(one[key] for key in MEDIANS),
            f"{one['turned']:.1%}",
            one["overlap"],
        )
        for one in (*rows, everything)
    ]
    headings = ("distance", "objects", *MEDIANS.values(), "turned", "overlap")
    caption = (
        "Medians of absolute errors; turned: yaw is off by more than a quarter turn; overlap: mean "
        "intersection over union in space"
    )
    return [columns(depth, turns), table(headings, cells, caption=caption, digits=3)]


def _table(rows: Sequence[Json]) -> Html:
    levels = [level.name for level in LEVELS]
    body = [
        [row["class"], row["metric"], f"{row['overlap']:.2f}", *(row[name] for name in levels)]
        for row in rows
        if row["recalls"] == "R40"
    ]
    shown = table(("class", "metric", "overlap", *levels), body, caption="AP over 40 recalls")
    return section("Average precision", shown, lead="By KITTI's rules.")


def _examples(images: Sequence[Json], record: Record, source: EvaluatedData) -> Html:
    if not hasattr(source.dataset, "example"):
        return no_examples()
    scored = [Scored(one["place"], one["score"], one["objects"]) for one in images]
    return section(
        "Examples",
        *example_galleries(
            choose_images(scored, EXAMPLES),
            record.body.images,
            partial(_show_image, record, source),
        ),
        lead="Boxes on the image and from above; true ones are dashed, fronts have diagonals. "
        "Sorted by twice the overlaps in space over the numbers of objects and of detections.",
    )


def _show_image(record: Record, source: EvaluatedData, one: Scored) -> Html:
    name = image_name(source.dataset, one.place)
    palette: np.ndarray | None = getattr(source.data, "palette", None)
    example = source.dataset.example(one.place)
    drawn = draw_found(example, record.body.images, one.place, record.class_names, palette)
    return picture(
        drawn,
        alt=f"{name}: boxes on the image and from above",
        caption=f"{name}, overlap {one.score:.3f}, {counted(one.objects, 'objects')}",
        large=True,
    )


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the images that gained and lost most since another evaluation.

    Args:
        record: The evaluation.
        source: Where its images come from.
        theirs: Rows of the other evaluation's images, by image name.
    """
    body: Boxes3DRecord = record.body
    scored = score_evaluated(body.images, body.result.classes, None)
    values = [(image_name(source.dataset, one.place), one.score) for one in scored]
    return changed_images(values, theirs, column="score", what="overlap in space of the image")


REPORT = TaskReport(
    headline=("AP_3D", "AP_BEV", "AP_3D_50", "AP_BEV_50", "AP_2D"),
    class_metrics=("AP_3D", "AP_BEV", "AP_2D", "AOS"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
