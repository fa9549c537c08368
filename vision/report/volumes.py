"""The report of a segmentor of volumes: regions, subjects, volumes in millilitres, examples."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.volumes_images import load_example, masks_to_draw
from vision.callbacks.results.volumes_records import VolumeRecord
from vision.draw.volumes import draw_pair
from vision.metrics.volumes.table import VolumeScores
from vision.report.chapters import chapter
from vision.report.charts import Axis, Series, histogram, scatter_chart
from vision.report.examples import changed_images, example_galleries, no_examples
from vision.report.page import Html, columns, note, picture, section, table
from vision.report.parts import TALL, EvaluatedData, Json, class_table, known, knowns, unknown
from vision.report.task_report import TaskReport

UNITS = (
    "Dice is a fraction between 0 and 1. HD95, the 95 % Hausdorff distance, and ASD, the symmetric "
    "average surface distance, are in millimetres, and VolumeError, the mean of absolute errors, "
    "is in millilitres; these three are better lower. A dash means that there is no ground truth."
)
METRICS = {
    "Dice": "Dice",
    "HD95": "HD95, mm",
    "ASD": "ASD, mm",
    "VolumeError": "volume error, ml",
    "labelled": "subjects",
    "missed": "missed",
    "invented": "invented",
}
BINS = 20
# So many standard deviations hold 95 % of normal differences: limits of agreement, J. M. Bland and
# D. G. Altman, The Lancet, 1986.
LIMITS = 1.96
PICTURE_SIDE = 300


def analyse(record: Record, source: EvaluatedData) -> Json:
    """Compute the numbers of the report: by region, agreement of volumes, subjects.

    Args:
        record: The evaluation.
        source: Where its volumes come from.
    """
    body: VolumeRecord = record.body
    result = body.result
    return {
        "classes": result.regions(),
        "empty": result.empty,
        "dice": [
            {"name": name, "counts": _counts(result.dice[:, k])}
            for k, name in enumerate(result.names)
        ],
        "agreement": [agreement(result, k) for k in range(len(result.names))],
        "images": [
            {"place": body.places[name], "name": name, "score": row["Dice"], **row}
            for name, row in zip(result.subjects, result.rows(), strict=True)
        ],
    }


def agreement(result: VolumeScores, region: int) -> Json:
    """How far the predicted volumes of a region are from the true ones.

    Args:
        result: Numbers of N subjects.
        region: Index of the region.

    Returns:
        `name`, `truth_ml` and `found_ml` of each subject, `bias_ml`, the mean of predicted - true,
        and `low_ml` and `high_ml`, between which 95 % of normal differences would be; these are
        None where there are fewer than two subjects.
    """
    error = result.error_ml[:, region]
    bias = float(error.mean()) if len(error) else math.nan
    spread = LIMITS * float(error.std(ddof=1)) if len(error) > 1 else math.nan
    return {
        "name": result.names[region],
        "truth_ml": knowns(result.truth_ml[:, region]),
        "found_ml": knowns(result.found_ml[:, region]),
        "bias_ml": known(bias),
        "low_ml": known(bias - spread),
        "high_ml": known(bias + spread),
    }


def _counts(dice: np.ndarray) -> list[int]:
    counts, _ = np.histogram(dice[~np.isnan(dice)], bins=BINS, range=(0, 1))
    return [int(count) for count in counts]


def sections(parts: Json, record: Record, source: EvaluatedData) -> list[Html]:
    """Make the sections of the page that show these numbers.

    Args:
        parts: Result of `analyse`.
        record: The evaluation.
        source: Where its volumes come from.
    """
    return [
        section("Regions", *_regions(parts), lead=_lead(parts["empty"])),
        section(
            "Volumes",
            *_volumes(parts),
            lead="Predicted and true volume of each subject. The bias is the mean of predicted - "
            "true; 95 % of such differences lie within the limits if they are normal.",
        ),
        section(
            "Subjects",
            _subjects(parts["images"], [row["name"] for row in parts["classes"]]),
        ),
        chapter("Examples", partial(_examples, record, source)),
    ]


def _lead(empty: str) -> str:
    if empty == "skip":
        rule = "A region that a subject does not have is left out."
    else:
        rule = "A region that a subject does not have counts 1 if nothing is found, and else 0."
    return (
        f"Means over subjects. {rule} Missed: nothing is found of a region that is there; "
        "invented: something is found of one that is not."
    )


def _regions(parts: Json) -> list[Html]:
    rows = parts["classes"]
    shown = {key: title for key, title in METRICS.items() if rows and key in rows[0]}
    edges = np.linspace(0, 1, BINS + 1).tolist()
    charts = [
        histogram(
            edges,
            one["counts"],
            title=f"Subjects by the Dice of {one['name']}",
            x_title="Dice",
            y_title="subjects",
        )
        for one in parts["dice"]
        if any(one["counts"])
    ]
    return [
        class_table(rows, shown, bars=("Dice",), caption="Lowest Dice first"),
        columns(*charts) if charts else note("No subject has a region."),
    ]


def _volumes(parts: Json) -> list[Html]:
    rows = parts["agreement"]
    if not parts["images"]:
        return [note("There are no subjects.")]
    chart = scatter_chart(
        [Series(row["name"], unknown(row["truth_ml"]), unknown(row["found_ml"])) for row in rows],
        Axis("true volume, ml"),
        Axis("predicted volume, ml"),
        title="Volume by subject and region",
        names=[row["name"] for row in parts["images"]],
        explanation="On the dashed line both agree; above it too much was found.",
    )
    cells = [(row["name"], *(row[key] for key in ("bias_ml", "low_ml", "high_ml"))) for row in rows]
    headings = ("region", "bias, ml", "lower limit, ml", "upper limit, ml")
    return [columns(chart, table(headings, cells, caption="Predicted - true", digits=2))]


def _subjects(rows: Sequence[Json], names: Sequence[str]) -> Html:
    """A row for each subject, the worst first."""
    ordered = sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0.0))
    keys = [f"Dice_{name}" for name in names]
    keys += [f"HD95_{name}" for name in names if rows and f"HD95_{name}" in rows[0]]
    keys += [f"{part}_ml_{name}" for name in names for part in ("truth", "found")]
    headings = ["subject", "Dice", *(_heading(key) for key in keys)]
    cells = [[row["name"], row["score"], *(row[key] for key in keys)] for row in ordered]
    caption = "Lowest mean Dice first"
    return table(headings, cells, caption=caption, digits=3, tall=len(cells) > TALL)


def _heading(key: str) -> str:
    """The heading of a column, such as `"TC found, ml"` of `"found_ml_TC"`."""
    for start, end in (
        ("truth_ml_", "true, ml"),
        ("found_ml_", "found, ml"),
        ("HD95_", "HD95, mm"),
    ):
        if key.startswith(start):
            return f"{key.removeprefix(start)} {end}"
    return f"{key.removeprefix('Dice_')} Dice"


def _examples(record: Record, source: EvaluatedData) -> Html:
    body: VolumeRecord = record.body
    if not hasattr(source.dataset, "example"):
        return no_examples()
    return section(
        "Examples",
        *example_galleries(body.chosen, body.masks, partial(_show_subject, body, source)),
        lead="Three planes through the largest true region, on the first modality: ground truth "
        "above, prediction below. The left of the patient is at the left; sorted by mean Dice.",
    )


def _show_subject(body: VolumeRecord, source: EvaluatedData, one: Scored) -> Html:
    stored = load_example(source.dataset, one.place)
    found = body.masks[one.place].whole()
    truth, predicted = (masks_to_draw(mask, body.regions) for mask in (stored["mask"], found))
    names = [*body.regions] if body.regions else ["background", *body.result.names]
    drawn = draw_pair(
        stored["volume"], truth, predicted, stored["affine"], names=names, side=PICTURE_SIDE
    )
    return picture(
        drawn.permute(1, 2, 0).numpy(),
        alt=f"{one.name}: three planes with ground truth, and with the prediction",
        caption=f"{one.name}, Dice {one.score:.3f}",
        large=True,
    )


def changes(
    record: Record, source: EvaluatedData, theirs: Mapping[str, Mapping[str, str]]
) -> list[Html]:
    """Show the subjects that gained and lost most since another evaluation.

    Args:
        record: The evaluation.
        source: Where its volumes come from.
        theirs: Rows of the other evaluation's subjects, by name.
    """
    result: VolumeScores = record.body.result
    values = [
        (str(row["subject"]), float(row["Dice"]))
        for row in result.rows()
        if row["Dice"] is not None
    ]
    return changed_images(values, theirs, column="score", what="mean Dice of the subject")


REPORT = TaskReport(
    headline=("Dice", "HD95", "ASD", "VolumeError"),
    class_metrics=("Dice", "HD95", "VolumeError"),
    analyse=analyse,
    sections=sections,
    changes=changes,
    units=UNITS,
)
