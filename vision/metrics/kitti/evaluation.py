"""KITTI's evaluation of boxes: in the image, on the ground, in space, and their orientation.

"Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite", Geiger, Lenz and Urtasun,
2012; the mean over 40 recalls is of "Disentangling Monocular 3D Object Detection", Simonelli et
al., 2019. Numbers are equal to those of the evaluation in Python that papers use.

Letters: F images, D detections, G objects, K classes.
"""

from collections.abc import Sequence

import numpy as np

from vision.annotations.kitti import NO_ORIENTATION, KittiObjects
from vision.annotations.kitti_levels import LEVELS
from vision.errors import ConfigError, suggest
from vision.metrics.kitti.curves import RECALLS, compute_curve
from vision.metrics.kitti.joined import join_images
from vision.metrics.kitti.levels import COUNTS, SIMILAR, detection_status, object_status
from vision.metrics.kitti.matching import Candidates
from vision.metrics.kitti.overlaps import METRICS as OVERLAPS
from vision.metrics.kitti.table import METRICS, KittiScores

CLASSES = tuple(SIMILAR)
# Minimum overlaps of Car, Pedestrian, Cyclist: those of the benchmark, and a second set with which
# papers report boxes on the ground and in space too. Orientation follows the image.
_STRICT, _LOOSE = (0.7, 0.5, 0.5), (0.5, 0.25, 0.25)
MIN_OVERLAPS = {
    "2d": (_STRICT, _STRICT),
    "aos": (_STRICT, _STRICT),
    "bev": (_STRICT, _LOOSE),
    "3d": (_STRICT, _LOOSE),
}


def evaluate_objects(
    truth: Sequence[KittiObjects],
    found: Sequence[KittiObjects],
    classes: Sequence[str] = CLASSES,
) -> KittiScores:
    """Compare detections with annotated objects.

    Args:
        truth: The objects of each of F images, regions that are not annotated among them.
        found: The detections of each image, with their scores.
        classes: Which to evaluate.

    Raises:
        ConfigError: A class is not one of the benchmark.
    """
    for name in classes:
        if name not in CLASSES:
            raise ConfigError(
                f"class '{name}' has no evaluation; KITTI's benchmark has {', '.join(CLASSES)}."
                f"{suggest(name, CLASSES)}"
            )
    joined = join_images(truth, found)
    objects, detections, overlaps = joined.objects, joined.found, joined.overlaps
    shape = (len(classes), len(LEVELS))
    curves = np.zeros((2, len(METRICS), *shape, RECALLS))
    numbers = np.zeros(shape, dtype=np.int64)
    for k, name in enumerate(classes):
        for n, level in enumerate(LEVELS):
            candidates = Candidates(
                objects=overlaps.objects,
                found=overlaps.found,
                overlap=overlaps.iou,
                image=joined.object_image,
                object_status=object_status(objects, name, level),
                found_status=detection_status(detections, name, level),
                scores=detections.scores,
            )
            numbers[k, n] = (candidates.object_status == COUNTS).sum()
            alphas = objects.alpha, detections.alpha
            curves[:, :, k, n] = _curves(candidates, name, alphas, overlaps.dont_care)
    which = [CLASSES.index(name) for name in classes]
    least = np.array([[MIN_OVERLAPS[metric][s] for metric in METRICS] for s in (0, 1)])
    return KittiScores(tuple(classes), least[..., which], curves, numbers, joined.images)


def _curves(
    candidates: Candidates,
    name: str,
    alphas: tuple[np.ndarray, np.ndarray],
    dont_care: np.ndarray,
) -> np.ndarray:
    """The curves of one class at one difficulty, float64 `(2, 4, 41)`.

    Args:
        candidates: All that overlaps, with `overlap` `(3, P)`.
        name: The class.
        alphas: Angles of observation of the objects and of the detections.
        dont_care: As in `Overlaps`.
    """
    curves = np.zeros((2, len(METRICS), RECALLS))
    for m, metric in enumerate(OVERLAPS):
        least = [one[CLASSES.index(name)] for one in MIN_OVERLAPS[metric]]
        for s in (0, 1):
            if s == 1 and least[0] == least[1]:
                curves[1, METRICS.index(metric)] = curves[0, METRICS.index(metric)]
                continue
            # Only in the image it is known where objects are not annotated.
            covered = (dont_care > least[s]) & (metric == "2d")
            chosen = candidates._replace(overlap=candidates.overlap[m]).chosen(least[s])
            curve = compute_curve(chosen, *alphas, covered)
            curves[s, METRICS.index(metric)] = curve.precision
            if metric == "2d":
                curves[:, METRICS.index("aos")] = curve.orientation
    # The first detection tells for all, by the benchmark's rule.
    if (alphas[1][:1] == NO_ORIENTATION).any():
        curves[:, METRICS.index("aos")] = np.nan
    return curves
