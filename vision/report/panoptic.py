"""The report of a panoptic model: classes, confusion of segments, their sizes, examples."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.panoptic_images import make_example
from vision.callbacks.results.panoptic_records import PanopticRecord
from vision.draw.panoptic import ERRORS, Segmented, draw_parts
from vision.metrics.panoptic_breakdown import AREAS, IOU_EDGES, SIZES, PanopticBreakdown
from vision.report.chapters import chapter
from vision.report.charts import histogram
from vision.report.examples import (
    changed_images,
    example_galleries,
    legend,
    no_examples,
    shrink,
    two_by_two,
)
from vision.report.page import Html, columns, picture, section, table
from vision.report.parts import (
    EvaluatedData,
    Json,
    class_table,
    confusion_html,
    confusion_json,
    image_name,
    known,
)
from vision.report.task_report import TaskReport

SCORES = ("PQ", "SQ", "RQ")
COUNTS = ("TP", "FP", "FN")
KINDS = {"stuff": 0, "things": 1}  # rows of the counts of sizes
NOTHING = "no segment"


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: per class, confusion, sizes, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: PanopticRecord = record.body
    names = [*record.class_names, NOTHING]
    return {
        "groups": [
            {
                "group": group,
                **{key: known(means[key]) for key in SCORES},
                "categories": means["categories"],
            }
            for group, means in body.result.groups().items()
        ],
        "classes": [
            {
                **{key: row[key] for key in (*SCORES, *COUNTS)},
                "name": name,
                "kind": "thing" if row["isthing"] else "stuff",
            }
            for row, name in zip(body.result.rows(), record.class_names, strict=True)
        ],
        "confusion": confusion_json(body.breakdown.confusion, names),
        "sizes": size_rows(body.breakdown),
        "iou": {"edges": IOU_EDGES.tolist(), "counts": body.breakdown.iou_counts.tolist()},
        "images": [
            {
                "place": one.place,
                "name": image_name(source.dataset, one.place),
                "score": one.score,
                "segments": one.objects,
            }
            for one in body.scored
        ],
    }


def size_rows(breakdown: PanopticBreakdown) -> list[Json]:
    """Panoptic quality by size of the segments, over those of all classes together.

    Returns:
        A row for each size, things before stuff: `kind`, `size`, the scores and the counts; scores
        are None where there is no segment.
    """
    rows = []
    for kind, row in sorted(KINDS.items(), key=lambda pair: -pair[1]):
        for place, size in enumerate(SIZES):
            iou = float(breakdown.iou_sum[row, place])
            counts = [
                int(part[row, place])
                for part in (
                    breakdown.true_positives,
                    breakdown.false_positives,
                    breakdown.false_negatives,
                )
            ]
            matched, weight = counts[0], counts[0] + (counts[1] + counts[2]) / 2
            scores = (
                (iou / weight, iou / matched if matched else 0.0, matched / weight)
                if weight
                else (None, None, None)
            )
            rows.append(
                {
                    "kind": kind,
                    "size": size,
                    **dict(zip(SCORES, scores, strict=True)),
                    **dict(zip(COUNTS, counts, strict=True)),
                }
            )
    return rows


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its images come from.
    """
    return [
        section(
            "Classes",
            _groups(parts["groups"]),
            class_table(
                parts["classes"],
                {key: key for key in ("kind", *SCORES, *COUNTS)},
                bars=SCORES,
                caption="Lowest PQ first",
            ),
            lead="PQ = SQ x RQ: SQ is the mean IoU of matched segments, RQ the F1 score of the "
            "matches. Two segments of a class match (TP) if their IoU is above 0.5; others are "
            "wrong (FP) or missed (FN).",
        ),
        section(
            "Confusion",
            confusion_html(
                parts["confusion"], unit="segments", title="Segments by true and predicted class"
            ),
            lead="Here segments of any two classes match if their IoU is above 0.5. The last "
            f"column ({NOTHING}) has the missed segments, the last row those without any match.",
        ),
        section("Sizes", *_sizes(parts), lead=_sizes_lead()),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _groups(groups: list[Json]) -> Html:
    rows = [[one["group"], *(one[key] for key in SCORES), one["categories"]] for one in groups]
    return table(("", *SCORES, "classes"), rows, caption="Means over classes", digits=3)


def _sizes_lead() -> str:
    small_, medium = (f"{round(area**0.5)} x {round(area**0.5)}" for area in AREAS)
    return (
        f"Small segments have fewer pixels than {small_}, medium ones fewer than {medium}. A match "
        "has the size of the true segment. The segments of all classes count together."
    )


def _sizes(parts: Json) -> list[Html]:
    rows = [
        [one["kind"], one["size"], *(one[key] for key in (*SCORES, *COUNTS))]
        for one in parts["sizes"]
    ]
    shown = table(("", "size", *SCORES, *COUNTS), rows, caption="By size", digits=3)
    chart = histogram(
        parts["iou"]["edges"],
        parts["iou"]["counts"],
        title="Matches by IoU",
        x_title="IoU",
        y_title="segments",
    )
    return [columns(shown, chart)]


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: PanopticRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    return section(
        "Examples",
        legend(ERRORS.items(), hatched="void"),
        *example_galleries(body.chosen, body.segments, partial(_show_image, record, source)),
        lead="Image, ground truth, prediction and segments without a match; sorted by the panoptic "
        "quality over all segments of the image.",
    )


def _show_image(record: Record, source: EvaluatedData, one: Scored) -> Html:
    image, mask, segments = source.dataset.example(one.place)
    found: Segmented = record.body.segments[one.place]
    name = image_name(source.dataset, one.place)
    palette: np.ndarray | None = getattr(source.data, "palette", None)
    example = make_example(name, image, found, Segmented(mask, segments))
    drawn = draw_parts(example, record.class_names, palette)
    return picture(
        two_by_two([shrink(part) for part in drawn]),
        alt=f"{name}: image, ground truth, prediction and segments without a match",
        caption=f"{name}, PQ {one.score:.3f}",
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
    values = [(image_name(source.dataset, one.place), one.score) for one in record.body.scored]
    return changed_images(values, theirs, column="score", what="PQ of the image")


REPORT = TaskReport(
    headline=("PQ", "SQ", "RQ", "PQ_things", "PQ_stuff", "mIoU", "mask_AP"),
    class_metrics=("PQ", "SQ", "RQ"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
