"""The report of a segmentor: classes, confusion of pixels, calibration, examples with errors."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.label_maps import data_palette
from vision.callbacks.results.segmentation_records import SegmentationRecord
from vision.contracts.segmentation import IGNORED
from vision.draw.palette import RED
from vision.draw.segmentation import draw_errors, overlay_mask
from vision.report.chapters import chapter
from vision.report.examples import (
    changed_images,
    example_galleries,
    legend,
    no_examples,
    shrink,
    two_by_two,
)
from vision.report.page import Html, picture, section
from vision.report.parts import (
    EvaluatedData,
    Json,
    calibration_html,
    calibration_json,
    class_table,
    confusion_html,
    confusion_json,
    image_name,
    known,
)
from vision.report.task_report import TaskReport

COLUMNS = {
    "IoU": "IoU",
    "recall": "recall (Acc)",
    "precision": "precision",
    "BoundaryIoU": "boundary IoU",
    "share": "share of pixels",
}


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: per class, confusion, calibration, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: SegmentationRecord = record.body
    result = body.result
    precision = np.divide(
        result.areas.intersection,
        result.areas.predicted,
        out=np.full(result.num_classes, np.nan),
        where=result.areas.predicted > 0,
    )
    classes = [
        {
            **{key: value for key, value in row.items() if key not in ("class", "name", "Acc")},
            "name": name,
            "recall": row["Acc"],
            "precision": known(precision[k]),
        }
        for k, (row, name) in enumerate(zip(result.rows(), record.class_names, strict=True))
    ]
    return {
        "classes": classes,
        "confusion": confusion_json(result.confusion, record.class_names),
        "calibration": {**calibration_json(body.calibration), "images": body.sampled},
        "images": [
            {"place": one.place, "name": image_name(source.dataset, one.place), "score": one.score}
            for one in body.scored
        ],
    }


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its images come from.
    """
    present = {key: title for key, title in COLUMNS.items() if key in parts["classes"][0]}
    bars = [key for key in ("IoU", "recall", "precision", "BoundaryIoU") if key in present]
    calibration = parts["calibration"]
    return [
        section(
            "Classes",
            class_table(
                parts["classes"],
                present,
                bars=bars,
                caption="Lowest IoU first",
            ),
            lead="Over all labelled pixels, at the resolution of the files.",
        ),
        section(
            "Confusion",
            confusion_html(
                parts["confusion"], unit="pixels", title="Pixels by true and predicted class"
            ),
        ),
        section(
            "Calibration",
            calibration_html(calibration, unit="pixels"),
            lead="Whether confidence matches accuracy: measured at the stride of the model's"
            f" output, on {calibration['images']:,} whole images spread evenly over the set, which"
            " were run once more. The evaluation itself keeps only class indices.",
        ),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: SegmentationRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    palette = data_palette(source.data)
    present: set[int] = set()

    def show(one: Scored) -> Html:
        return _show_image(record, source, one, palette, present)

    parts = example_galleries(body.chosen, body.masks, show)
    return section(
        "Examples",
        _legend(record, palette, present),
        *parts,
        lead="Image, ground truth, prediction and errors; sorted by the mean IoU of the"
        " classes in the image.",
    )


def _show_image(
    record: Record, source: EvaluatedData, one: Scored, palette: np.ndarray, present: set[int]
) -> Html:
    image, target = source.dataset.example(one.place)
    found = torch.from_numpy(record.body.masks[one.place])
    present.update(target.unique().tolist(), found.unique().tolist())
    drawn = (
        image,
        overlay_mask(image, target, palette),
        overlay_mask(image, found, palette),
        draw_errors(image, found, target),
    )
    name = image_name(source.dataset, one.place)
    return picture(
        two_by_two([shrink(part) for part in drawn]),
        alt=f"{name}: image, ground truth, prediction and errors",
        caption=f"{name}, mIoU {one.score:.3f}",
        large=True,
    )


def _legend(record: Record, palette: np.ndarray, present: set[int]) -> Html:
    entries: list[tuple[str, Any]] = [
        (name, palette[k]) for k, name in enumerate(record.class_names) if k in present
    ]
    entries.append(("wrong (in the last picture)", RED))
    return legend(entries, hatched="ignored" if IGNORED in present else None)


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
    return changed_images(values, theirs, column="score", what="mIoU of the image")


REPORT = TaskReport(
    headline=("mIoU", "mAcc", "aAcc", "mBIoU"),
    class_metrics=("IoU", "recall", "precision", "BoundaryIoU"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
