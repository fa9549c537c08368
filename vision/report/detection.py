"""The report of a detector: COCO's table, classes, curves, confusion, sizes, examples."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from vision.callbacks.results.detection_pictures import unpack_found
from vision.callbacks.results.detection_records import DetectionRecord
from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored, choose_images
from vision.draw.detection import draw_detections
from vision.report.chapters import chapter
from vision.report.charts import Series, bar, line_chart
from vision.report.detection_numbers import THRESHOLD, analyse
from vision.report.page import (
    Html,
    columns,
    gallery,
    join,
    note,
    picture,
    section,
    subsection,
    table,
)
from vision.report.parts import (
    FRACTION,
    MAX_CURVES,
    EvaluatedData,
    Json,
    calibration_html,
    class_table,
    confusion_html,
    image_name,
    unknown,
)
from vision.report.task_report import TaskReport
from vision.wording import counted

EXAMPLES = 4
CLASS_COLUMNS = {
    "box_AP": "box AP",
    "mask_AP": "mask AP",
    "box_AP50": "box AP50",
    "mask_AP50": "mask AP50",
    "objects": "objects",
    "crowds": "crowds",
    "predictions": "predictions",
}
BREAKDOWNS = {
    "area": ("By area", "area of the object in pixels, in COCO's ranges"),
    "size": ("By size", "square root of the area in pixels"),
    "occlusion": ("By occlusion", "share of the box that boxes of other objects cover"),
    "border": ("By position", "boxes that touch the image border may be cut off"),
}
TITLES = {"worst": "Worst", "best": "Best", "random": "Random"}


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its images come from.
    """
    shown = [_table(parts["table"]), _classes(parts["classes"])]
    if "curves" not in parts:
        return [*shown, section("Further numbers", note("The dataset has no index of objects."))]
    return [
        *shown,
        section("Precision and recall", *_curves(parts), lead="Boxes and masks by COCO's rules."),
        section(
            "Confusion",
            confusion_html(
                parts["confusion"],
                unit="objects",
                title="Objects by true class and predicted class",
            ),
            lead=f"Boxes with a score of {THRESHOLD} or more, matched with objects at IoU 0.5."
            " The last row counts detections without an object, the last column missed objects.",
        ),
        section(
            "Sizes and occlusion",
            Html(f'<div class="columns">{join(_breakdowns(parts["breakdowns"]))}</div>'),
            lead="Share of the objects that are found, at an IoU of 0.5: by any of a hundred"
            f" detections per class and image, and by those with a score of {THRESHOLD} or more.",
        ),
        section(
            "Calibration",
            calibration_html(parts["calibration"], unit="detections", right="precision"),
            _thresholds(parts["thresholds"]),
            lead="Whether scores match precision: of the boxes with a score of 0.8, 80 % should be"
            " objects (IoU 0.5).",
        ),
        chapter("Examples", partial(_examples, parts["images"], record, source)),
    ]


def _table(rows: Sequence[Json]) -> Html:
    kinds = [key for key in rows[0] if key != "name"]
    body = [[row["name"], *(row[kind] for kind in kinds)] for row in rows]
    shown = table(["", *kinds], body, caption="Average precision (AP) and recall (AR)")
    return section(
        "COCO",
        shown,
        lead="AP is the mean over IoU thresholds from 0.50 to 0.95, AP50 and AP75 use one; small"
        " objects are below 32 x 32 pixels, large ones from 96 x 96; AR1, AR10 and AR100 with so"
        " many detections per image.",
    )


def _classes(rows: Sequence[Json]) -> Html:
    present = {key: title for key, title in CLASS_COLUMNS.items() if rows and key in rows[0]}
    bars = [key for key in ("box_AP", "mask_AP") if key in present]
    if not bars:
        return section("Classes", note("There are no classes."))
    return section(
        "Classes",
        class_table(rows, present, bars=bars, caption=f"Lowest {present[bars[0]]} first"),
    )


def _curves(parts: Json) -> list[Html]:
    charts = []
    x, y = FRACTION._replace(title="recall"), FRACTION._replace(title="precision")
    recall = parts["curves"]["recall"]
    for kind in ("box", "mask"):
        overlaps = parts["curves"].get(kind, {})
        means = [Series(f"IoU {o}", recall, unknown(c["mean"])) for o, c in overlaps.items()]
        if means:
            charts.append(line_chart(means, x, y, title=f"Mean over the classes, {kind}"))
        for overlap, curves in overlaps.items():
            lines = [
                Series(name, recall, unknown(values))
                for name, values in curves["classes"].items()
                if values[0] is not None
            ]
            if 0 < len(lines) <= MAX_CURVES:
                title = f"Each class, {kind}, IoU {overlap}"
                charts.append(line_chart(lines, x, y, title=title, legend=True))
    return [columns(*charts)]


def _breakdowns(parts: Json) -> list[Html]:
    shown = []
    for key, (title, what) in BREAKDOWNS.items():
        rows = [
            (
                row["name"],
                row["objects"],
                row["recall"],
                bar(row["recall"]),
                row["recall_sure"],
                bar(row["recall_sure"], series=1),
            )
            for row in parts[key]
        ]
        headings = ("", "objects", "recall", "", f"score ≥ {THRESHOLD}", "")
        shown.append(subsection(title, table(headings, rows, caption=what, digits=3)))
    return shown


def _thresholds(curve: Json) -> Html:
    """Precision, recall and F1 over the score threshold, all classes together."""
    threshold = unknown(curve["threshold"])[::-1]
    precision, recall = unknown(curve["precision"])[::-1], unknown(curve["recall"])[::-1]
    if not len(threshold):
        return note("There are no detections.")
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)
    lines = [
        Series("precision", threshold, precision),
        Series("recall", threshold, recall),
        Series("F1", threshold, f1),
    ]
    best = int(np.nanargmax(f1)) if not np.isnan(f1).all() else 0
    y = FRACTION._replace(title="all classes together")
    chart = line_chart(
        lines, FRACTION._replace(title="threshold"), y, title="Choice of a threshold"
    )
    return join(
        [chart, note(f"The best F1 is {f1[best]:.3f}, at a score of {threshold[best]:.3f}.")]
    )


def _examples(images: Sequence[Json], record: Record, source: EvaluatedData) -> Html:
    scored = [Scored(one["place"], one["score"], one["objects"]) for one in images]
    chosen = choose_images(scored, EXAMPLES)
    parts = [
        subsection(
            title,
            gallery((show_image(record, source, one) for one in chosen[kind]), wide=True),
        )
        for kind, title in TITLES.items()
        if chosen[kind]
    ]
    lead = "Ground truth on the left, prediction on the right; sorted by the F1 of the image."
    return section("Examples", *parts, lead=lead)


def show_image(record: Record, source: EvaluatedData, image: Scored, more: str = "") -> Html:
    """Show an image of the dataset, its ground truth beside the detections.

    Args:
        record: The evaluation.
        source: Where its images come from.
        image: Its index, F1 and number of objects.
        more: Further text of the caption.
    """
    body: DetectionRecord = record.body
    pixels, target = source.dataset.example(image.place)
    image_id = int(source.dataset.index.image_ids[image.place])
    found = unpack_found(body.found[image_id], THRESHOLD)
    drawn = draw_detections(
        pixels, found, target, class_names=record.class_names, threshold=THRESHOLD
    )
    name = image_name(source.dataset, image.place)
    caption = f"{name}, F1 {image.score:.2f}{f', {more}' if more else ''}"
    alt = f"{name}: {image.objects} objects, {len(found['boxes'])} found"
    return picture(drawn.permute(1, 2, 0).numpy(), alt=alt, caption=caption)


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the images that gained and lost most since another evaluation.

    Args:
        record: The evaluation.
        source: Where its images come from.
        theirs: Rows of the other evaluation's images, by image name.
    """
    images: list[Any] = analyse_images(record, source)
    gains = [
        (one.score - float(theirs[name]["score"]), one)
        for one, name in images
        if name in theirs and float(theirs[name]["score"]) != one.score
    ]
    shown = []
    for title, sign in (("Largest gains", 1), ("Largest losses", -1)):
        chosen = sorted((pair for pair in gains if sign * pair[0] > 0), key=lambda p: -sign * p[0])
        pictures = [
            show_image(record, source, one, f"before {one.score - gain:.2f}")
            for gain, one in chosen[:EXAMPLES]
        ]
        lead = counted(len(chosen), "images")
        shown.append(subsection(title, gallery(pictures, wide=True), lead=lead))
    return shown


def analyse_images(record: Record, source: EvaluatedData) -> list[tuple[Scored, str]]:
    """Each evaluated image with its scores, and its name."""
    from vision.callbacks.results.detection_pictures import score_images

    index = getattr(source.dataset, "index", None)
    if index is None:
        return []
    scored = score_images(index, record.body.found)
    return [(one, image_name(source.dataset, one.place)) for one in scored]


REPORT = TaskReport(
    headline=("box_AP", "box_AP50", "mask_AP", "mask_AP50"),
    class_metrics=("box_AP", "mask_AP", "box_AP50", "mask_AP50"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
