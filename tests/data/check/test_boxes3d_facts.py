"""What is told of the boxes in space of a split."""

from pathlib import Path

import numpy as np
from helpers.tiny_kitti import CAR, CYCLIST, OPTIONS, P2, calibration, write_kitti_objects

from vision.data import KITTI
from vision.data.check.boxes3d_facts import centres_inside, describe_objects


def test_facts_of_classes(tmp_path: Path) -> None:
    write_kitti_objects(tmp_path, train=3, val=2)
    odd = tmp_path / "training" / "calib" / "000002.txt"
    odd.write_text(calibration(P2 * [[4], [4], [1]]))
    data = KITTI(root=tmp_path, num_workers=0, **OPTIONS)
    remarks: list[str] = []
    assert not list(data.problems(remarks=remarks))
    begins = ["train: Car: ", "train: Cycli", "val: Car: 2 ", "val: Cyclist"]
    assert [remark[:12] for remark in remarks] == begins
    # Depths are 5.4, 5.5 and 5.6 m: 5 % of the way from the first to the last is 5.41.
    assert remarks[0] == (
        "train: Car: 3 objects, depth 5.5 m (5.4 to 5.6), height 1.50 (1.50 to 1.50), width 1.60 "
        "(1.60 to 1.60), length 3.90 (3.90 to 3.90) m; 3 are within the limits of what is learned"
    )
    index = data.index("train")
    lines = describe_objects(index, data.class_names, data.is_trained)
    assert not any("limits" in line for line in lines)
    # Two of three images have the right camera; vans are of no class.
    assert centres_inside(index, index.scene()) == (4, 6)
    assert data.summary()["train"] == {
        "images": 3,
        "classes": {"Pedestrian": 0, "Car": 3, "Cyclist": 3},
        "objects": 6,
        "empty_images": 0,
        "dropped": {"of other classes": 6},
    }
    only = index.take(np.array([2, 0]))
    assert [Path(path).stem for path in only.images] == ["000002", "000000"]
    np.testing.assert_allclose(only.scene(1).boxes3d[:2, 2], [CAR[5], CYCLIST[5]])
    assert only.truth(0)["boxes3d"][0, 2] == np.float32(5.6)
