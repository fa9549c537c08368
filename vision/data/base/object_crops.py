"""The objects of sweeps with the points in their boxes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from vision.annotations.kitti_levels import easiest_level
from vision.contracts.boxes3d import CENTRE
from vision.data.base.lidar_samples import LidarSamples
from vision.data.formats.object_database import StoredObject
from vision.ops.points_in_boxes import points_in_boxes


def crop_objects(
    samples: LidarSamples,
    class_names: Sequence[str],
    *,
    min_points: int,
    report: Callable[[int, int], object] = lambda done, total: None,
) -> Iterator[StoredObject]:
    """The objects of the classes in some sweeps, sweep by sweep.

    Args:
        samples: The sweeps; points that the camera does not see are left out if theirs are.
        class_names: Name of each class, by label.
        min_points: Fewest points of an object.
        report: Called after each sweep with their number and that of all.

    Raises:
        ImageError: A sweep is absent or broken.
    """
    for place in range(len(samples)):
        points = samples.visible(place)
        scene, objects = samples.index.in_space(place), samples.index.objects_of(place)
        levels = easiest_level(scene.boxes, scene.occlusion, scene.truncation)
        places = torch.from_numpy(points[:, CENTRE])
        inside = points_in_boxes(places, torch.from_numpy(objects.boxes3d)).numpy()
        for row, label in enumerate(objects.labels.tolist()):
            own = points[inside[row]]
            if label >= 0 and len(own) >= min_points:
                yield StoredObject(
                    class_name=class_names[label],
                    sweep=Path(samples.paths[place]).stem,
                    level=int(levels[row]),
                    box=objects.boxes3d[row],
                    points=own,
                )
        report(place + 1, len(samples))
