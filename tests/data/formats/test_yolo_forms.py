import numpy as np

from vision.data.formats.yolo_forms import looks_like_corners, looks_like_pose


def test_poses_are_told_from_polygons_and_from_turned_boxes() -> None:
    rng = np.random.default_rng(0)
    centre, size = rng.uniform(0.3, 0.6, (5, 2)), rng.uniform(0.1, 0.3, (5, 2))
    points = centre[:, None] + rng.uniform(-0.5, 0.5, (5, 4, 2)) * size[:, None]
    two = np.concatenate([centre, size, points.reshape(5, 8)], axis=1)
    triples = np.concatenate([points, np.ones((5, 4, 1))], axis=2)
    three = np.concatenate([centre, size, triples.reshape(5, 12)], axis=1)
    for values in (two, three):
        poses = list(values.reshape(5, -1, 2))
        assert looks_like_pose(poses)
        assert not looks_like_pose([*poses, None])
        assert not looks_like_pose([*poses, poses[0][:-1]])
        assert not looks_like_pose(poses[:2])  # too few to tell
    assert not looks_like_pose(list(rng.uniform(size=(5, 6, 2))))
    assert not looks_like_pose(list(two[:, :8].reshape(5, 4, 2)))  # turned boxes have four corners
    assert not looks_like_pose([])


def test_corners_are_told_from_boxes_at_the_edge() -> None:
    assert looks_like_corners(10, 8, 8)
    assert not looks_like_corners(10, 8, 6)
    assert not looks_like_corners(100, 8, 8)  # few of them reach out
    assert not looks_like_corners(2, 2, 2)  # too few to tell
    assert not looks_like_corners(0, 0, 0)
