"""Average precision and errors of boxes in space by distance and by occlusion.

Letters: D detections, G objects, N intervals of distance.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.kitti_levels import LEVELS
from vision.metrics.kitti.curves import compute_curve
from vision.metrics.kitti.evaluation import CLASSES, MIN_OVERLAPS
from vision.metrics.kitti.joined import Joined
from vision.metrics.kitti.levels import COUNTS, NEUTRAL, detection_status, object_status
from vision.metrics.kitti.matching import Candidates
from vision.metrics.kitti.overlaps import METRICS
from vision.metrics.kitti.pairs import Errors, Pairs, measure_errors, pair_objects
from vision.metrics.kitti.table import LOGGED, RECALLS

# Edges of intervals of the true depth in metres; the last one is open.
DISTANCES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, np.inf)
OCCLUSIONS = ("visible", "partly hidden", "largely hidden")
# The band that is drawn holds 90 % of the errors.
BAND = (0.05, 0.5, 0.95)
SPATIAL = ("3d", "bev")
# Edges of intervals of the error of yaw in degrees.
TURNS = tuple(range(0, 181, 10))

_SIZES = ("height_share", "width_share", "length_share")

Row = dict[str, Any]


class Group(NamedTuple):
    """Objects of a class that are evaluated by themselves.

    Attributes:
        name: In tables.
        objects: bool `(G,)`, which they are.
        ours: bool `(D,)`, detections that are false if they match nothing.
    """

    name: str
    objects: np.ndarray
    ours: np.ndarray


def distance_groups(joined: Joined) -> list[Group]:
    """Objects by their depth; a detection that matches nothing belongs to its own depth."""
    groups = []
    for near, far in pairwise(DISTANCES):
        inside = [
            (side.locations[:, 2] >= near) & (side.locations[:, 2] < far)
            for side in (joined.objects, joined.found)
        ]
        groups.append(Group(interval_name(near, far), *inside))
    return groups


def interval_name(near: float, far: float) -> str:
    """An interval of distance in words."""
    return f"{near:.0f} m or more" if far == np.inf else f"{near:.0f} to {far:.0f} m"


def occlusion_groups(joined: Joined) -> list[Group]:
    """Objects by occlusion; a detection that matches nothing counts as false in each group."""
    every = np.ones(len(joined.found.classes), dtype=bool)
    return [
        Group(name, joined.objects.occlusion == place, every)
        for place, name in enumerate(OCCLUSIONS)
    ]


def group_rows(joined: Joined, name: str, groups: list[Group], pairs: Pairs) -> list[Row]:
    """Average precision of groups of objects, of difficulty hard or easier.

    Objects of other groups need not be found, but may be.

    Args:
        joined: All images.
        name: The class, one of the benchmark.
        groups: The groups.
        pairs: Of `pair_objects`.

    Returns:
        A row per group: `name`, `objects`, `seen` (share with a detection in the image), and
        `AP_3D` and `AP_BEV` over 40 recalls, each also with `_loose` for the smaller minimum
        overlap; None for a group without objects.
    """
    level = LEVELS[-1]
    status = object_status(joined.objects, name, level)
    found_status = detection_status(joined.found, name, level)
    rows = []
    for group in groups:
        own = status.copy()
        own[(status == COUNTS) & ~group.objects] = NEUTRAL
        count = int((own == COUNTS).sum())
        row: Row = {"name": group.name, "objects": count, "seen": None}
        inside = group.objects[pairs.counting]
        if count:
            row["seen"] = float((pairs.found[inside] >= 0).mean())
        for metric in SPATIAL:
            least = [one[CLASSES.index(name)] for one in MIN_OVERLAPS[metric]]
            for overlap, suffix in zip(least, ("", "_loose"), strict=True):
                key = f"{LOGGED[metric]}{suffix}"
                row[key] = None
                if count:
                    candidates = Candidates(
                        objects=joined.overlaps.objects,
                        found=joined.overlaps.found,
                        overlap=joined.overlaps.iou[METRICS.index(metric)],
                        image=joined.object_image,
                        object_status=own,
                        found_status=found_status,
                        scores=joined.found.scores,
                    ).chosen(overlap)
                    curve = compute_curve(
                        candidates, joined.objects.alpha, joined.found.alpha, ~group.ours
                    )
                    row[key] = float(curve.precision[RECALLS["R40"]].mean())
        rows.append(row)
    return rows


def error_rows(errors: Errors) -> list[Row]:
    """Errors by true distance.

    Returns:
        A row per interval that has pairs: `near` and `far` in metres (`far` is None for the last),
        `distance`, the mean of the pairs, `pairs`, how many; `low`, `middle` and `high`, errors of
        the depth in metres that 5 %, 50 % and 95 % of the pairs lie below; and medians of absolute
        errors and means as of `summarise`.
    """
    rows = []
    for near, far in pairwise(DISTANCES):
        inside = (errors.distance >= near) & (errors.distance < far)
        if not inside.any():
            continue
        depth = errors.offset[inside, 2]
        low, middle, high = np.quantile(depth, BAND).tolist()
        row: Row = {
            "near": near,
            "far": None if far == np.inf else far,
            "distance": float(errors.distance[inside].mean()),
            "pairs": int(inside.sum()),
            "low": low,
            "middle": middle,
            "high": high,
        }
        rows.append(row | summarise(Errors(*(part[inside] for part in errors))))
    return rows


def summarise(errors: Errors) -> Row:
    """Medians of absolute errors, and means.

    Returns:
        `across_m`, `vertical_m`, `depth_m`: of the centre; `height_share`, `width_share`,
        `length_share`: over the true sizes; `yaw_degrees`; `turned`, the share of yaws that are off
        by more than a quarter turn; `overlap`, the mean in space. None without a pair.
    """
    names = ("across_m", "vertical_m", "depth_m", *_SIZES, "yaw_degrees")
    if not len(errors.distance):
        return dict.fromkeys((*names, "turned", "overlap"))
    numbers = [
        *np.median(np.abs(errors.offset), axis=0).tolist(),
        *np.median(np.abs(errors.size), axis=0).tolist(),
        float(np.degrees(np.median(errors.yaw))),
    ]
    return {
        **dict(zip(names, numbers, strict=True)),
        "turned": float((errors.yaw > np.pi / 2).mean()),
        "overlap": float(errors.overlap.mean()),
    }


def yaw_histogram(errors: Errors) -> dict[str, list[float]]:
    """Pairs by the error of yaw: `edges` in degrees, one more than `counts`."""
    counts, _ = np.histogram(np.degrees(errors.yaw), TURNS)
    return {"edges": [float(edge) for edge in TURNS], "counts": counts.tolist()}


def break_down(joined: Joined, name: str) -> tuple[Row, Pairs]:
    """All numbers of a class for a report.

    Args:
        joined: All images.
        name: The class, one of the benchmark.

    Returns:
        `objects`, `pairs`, `false`: how many; `distance` and `occlusion`: rows of groups;
        `errors`: rows by distance; `yaw`: the histogram; and the medians of `summarise` as
        `median`. And the pairs.
    """
    pairs = pair_objects(joined, name)
    errors = measure_errors(joined, pairs)
    numbers = {
        "objects": len(pairs.counting),
        "pairs": len(errors.distance),
        "false": len(pairs.false),
        "distance": group_rows(joined, name, distance_groups(joined), pairs),
        "occlusion": group_rows(joined, name, occlusion_groups(joined), pairs),
        "errors": error_rows(errors),
        "yaw": yaw_histogram(errors),
        "median": summarise(errors),
    }
    return numbers, pairs
