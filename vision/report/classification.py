"""The report of a classifier: confusion, classes, curves, calibration, examples."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from vision.callbacks.results.classification_records import ClassificationRecord
from vision.callbacks.results.evaluation_records import Record
from vision.metrics.calibration import Calibration
from vision.metrics.precision_recall import Curve, class_curves, macro_curve, micro_curve
from vision.report.chapters import chapter
from vision.report.page import Html, gallery, picture, section, subsection
from vision.report.parts import (
    MAX_CURVES,
    MAX_STORED,
    EvaluatedData,
    Json,
    calibration_html,
    calibration_json,
    class_table,
    confusion_html,
    confusion_json,
    curve_json,
    curves_html,
    image_name,
    known,
)
from vision.report.task_report import TaskReport
from vision.wording import counted

EXAMPLES = 12
COLUMNS = {
    "images": "images",
    "f1": "F1",
    "recall": "recall (accuracy)",
    "precision": "precision",
    "average_precision": "AP",
}


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: per class, confusion, curves, calibration, images.

    Args:
        record: The evaluation.
        source: Where its images come from.
    """
    body: ClassificationRecord = record.body
    names = record.class_names
    matrix = confusion_matrix(body.label, body.predicted, len(names))
    labels = body.label[body.sampled]
    curves = class_curves(body.scores, labels) if len(labels) else []
    calibration = Calibration.of(body.confidence.clip(0, 1), body.label == body.predicted)
    return {
        "classes": _classes(matrix, names, curves),
        "confusion": confusion_json(matrix, names),
        "curves": _curves(names, curves, body.scores, labels),
        "calibration": calibration_json(calibration),
        "examples": _choose(body),
        "images": _images(body, source.dataset),
    }


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its images come from.
    """
    curves = parts["curves"]
    sampled = curves["images"]
    chosen = {k: v for k, v in curves["classes"].items() if len(curves["classes"]) <= MAX_CURVES}
    means = {"micro": curves["micro"], "macro": curves["macro"]} if curves["micro"] else {}
    shown = [curves_html(means, title="Mean over the classes")]
    if chosen:
        shown.insert(0, curves_html(chosen, title="One class against the rest"))
    lead = "In brackets: average precision."
    if sampled < record.images:
        lead += f" Measured on {counted(sampled, 'images')}, evenly spread over the set."
    return [
        section(
            "Classes",
            class_table(
                parts["classes"],
                COLUMNS,
                bars=("f1", "recall", "precision"),
                caption="Lowest F1 first",
            ),
        ),
        section(
            "Confusion",
            confusion_html(
                parts["confusion"], unit="images", title="Images by true and predicted class"
            ),
        ),
        section(
            "Precision and recall", Html(f'<div class="columns">{"".join(shown)}</div>'), lead=lead
        ),
        section(
            "Calibration",
            calibration_html(parts["calibration"], unit="images"),
            lead="Whether confidence matches accuracy: of the images classified with 80 % "
            "confidence, 80 % should be right (Guo et al., 2017, arXiv:1706.04599).",
        ),
        chapter("Examples", partial(_examples, parts["examples"], record, source)),
    ]


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """int64 `(K, K)`: number of images of class `row` predicted as class `column`."""
    pairs = np.bincount(labels * count + predicted, minlength=count * count)
    return pairs.reshape(count, count)


def _classes(matrix: np.ndarray, names: Sequence[str], curves: Sequence[Curve]) -> list[Json]:
    right, true, found = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    rows = []
    for k, name in enumerate(names):
        rows.append(
            {
                "name": name,
                "images": int(true[k]),
                "predicted": int(found[k]),
                "recall": _ratio(right[k], true[k]),
                "precision": _ratio(right[k], found[k]),
                "f1": _ratio(2 * right[k], true[k] + found[k]),
                "average_precision": known(curves[k].average_precision) if curves else None,
            }
        )
    return rows


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _curves(
    names: Sequence[str], curves: list[Curve], scores: np.ndarray, labels: np.ndarray
) -> Json:
    stored = dict(zip(names, curves, strict=True)) if 0 < len(curves) <= MAX_STORED else {}
    return {
        "images": len(labels),
        "classes": {name: curve_json(curve) for name, curve in stored.items()},
        "micro": curve_json(micro_curve(scores, labels)) if curves else None,
        "macro": curve_json(macro_curve(curves)) if curves else None,
    }


def _images(body: ClassificationRecord, dataset: Any) -> list[Json]:
    return [
        {
            "place": place,
            "name": image_name(dataset, place),
            "score": float(body.true_score[i]),
            "label": int(body.label[i]),
            "predicted": int(body.predicted[i]),
            "confidence": float(body.confidence[i]),
        }
        for i, place in enumerate(body.place.tolist())
    ]


def _choose(body: ClassificationRecord) -> dict[str, list[int]]:
    """Rows of the most confident mistakes, and of the least and most confident correct ones."""
    wrong = np.flatnonzero(body.label != body.predicted)
    right = np.flatnonzero(body.label == body.predicted)
    mistakes = wrong[np.argsort(-body.confidence[wrong], kind="stable")][:EXAMPLES]
    sure = right[np.argsort(-body.confidence[right], kind="stable")]
    return {
        "worst": mistakes.tolist(),
        "unsure": sure[::-1][:EXAMPLES].tolist(),
        "best": _over_classes(sure, body.label, EXAMPLES),
    }


def _over_classes(rows: np.ndarray, labels: np.ndarray, count: int) -> list[int]:
    """The first rows, with one row of each class before a second row of any class."""
    seen: dict[int, int] = {}
    turns = []
    for row in rows.tolist():
        label = int(labels[row])
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    order = np.argsort(turns, kind="stable")[:count]
    return rows[order].tolist()


TITLES = {
    "worst": "Most confident mistakes",
    "unsure": "Correct, but least confident",
    "best": "Correct and most confident, of different classes",
}


def _examples(chosen: Mapping[str, Sequence[int]], record: Record, source: EvaluatedData) -> Html:
    parts = [
        subsection(title, gallery(show_image(record, source, row) for row in chosen[kind]))
        for kind, title in TITLES.items()
        if chosen[kind] and source.dataset is not None
    ]
    return section("Examples", *parts, lead="The predicted class; for mistakes, also the true one.")


def show_image(record: Record, source: EvaluatedData, row: int, more: str = "") -> Html:
    """Show an image of the dataset with its prediction and its ground truth.

    Args:
        record: The evaluation.
        source: Where its images come from.
        row: Index of the image in the record.
        more: Further text of the caption.
    """
    body: ClassificationRecord = record.body
    place = int(body.place[row])
    pixels = source.dataset[place]["image"].permute(1, 2, 0).numpy()
    true, found = (record.class_names[int(v[row])] for v in (body.label, body.predicted))
    right = body.label[row] == body.predicted[row]
    caption = f"predicted {found} ({body.confidence[row]:.0%})"
    caption += "" if right else f", true {true} ({body.true_score[row]:.0%})"
    name = image_name(source.dataset, place)
    return picture(
        pixels,
        alt=f"{name}: {caption}",
        caption=". ".join(part for part in (caption, more, name) if part),
        frame="right" if right else "wrong",
    )


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the images that were fixed, and those that were broken, since another evaluation.

    Args:
        record: The evaluation.
        source: Where its images come from.
        theirs: Rows of the other evaluation's images, by image name.
    """
    body: ClassificationRecord = record.body
    fixed: list[tuple[int, str]] = []
    broken: list[tuple[int, str]] = []
    for row, place in enumerate(body.place.tolist()):
        other = theirs.get(image_name(source.dataset, place))
        if other is None or int(other["label"]) != body.label[row]:
            continue
        was, now = other["predicted"] == other["label"], body.predicted[row] == body.label[row]
        if was != now:
            before = (
                f"before {_named(record, other['predicted'])} ({float(other['confidence']):.0%})"
            )
            (fixed if now else broken).append((row, before))
    parts = []
    for title, rows in (("Fixed images", fixed), ("Broken images", broken)):
        shown = sorted(rows, key=lambda one: -float(body.confidence[one[0]]))[:EXAMPLES]
        pictures = [show_image(record, source, row, before) for row, before in shown]
        lead = counted(len(rows), "images") + (
            f", the {len(shown)} most confident" if len(shown) < len(rows) else ""
        )
        parts.append(subsection(title, gallery(pictures), lead=lead))
    return parts


def _named(record: Record, label: str) -> str:
    place = int(label)
    return record.class_names[place] if place < len(record.class_names) else label


REPORT = TaskReport(
    headline=("top1", "top5"),
    class_metrics=("f1", "recall", "precision", "average_precision"),
    analyse=analyse,
    sections=sections,
    changes=changes,
)
