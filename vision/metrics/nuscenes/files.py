"""nuScenes' evaluation of a file of results against its tables."""

from pathlib import Path

from vision.annotations.nuscenes import read_nuscenes, read_scenes
from vision.annotations.nuscenes_names import LIDAR
from vision.annotations.nuscenes_results import read_results
from vision.metrics.nuscenes.boxes import annotated_boxes, found_boxes
from vision.metrics.nuscenes.evaluation import evaluate_boxes
from vision.metrics.nuscenes.table import NuScenesScores


def evaluate_nuscenes(
    annotations: Path, predictions: Path, *, split: Path | None = None
) -> NuScenesScores:
    """Compare detections with annotations.

    Args:
        annotations: Folder of the tables, such as `v1.0-trainval`.
        predictions: File of results in nuScenes' format.
        split: Text file with the names of the scenes to evaluate, one per line; None for all.
            Detections of other scenes are passed over.

    Raises:
        DataError: A file is absent or not in nuScenes' format; the message has token and key.
    """
    scenes = None if split is None else read_scenes(split)
    tables = read_nuscenes(annotations, channels=(LIDAR,), scenes=scenes)
    samples = {token.decode(): place for place, token in enumerate(tables.samples.tolist())}
    found = read_results(predictions, samples, tables.other_samples)
    return evaluate_boxes(annotated_boxes(tables), found_boxes(tables, found), samples=len(samples))
