"""A tiny good copy of KITTI's objects, and several breaks of it."""

from pathlib import Path
from typing import Any

import numpy as np
from helpers.cut_files import cut
from helpers.tiny_kitti import OPTIONS, P2, calibration, write_kitti_objects

CAR = "Car 0 0 -1.6 50 5 80 30 1.5 1.6 3.9 0.2 0.75 6 -1.6\n"


def write_kitti_objects_options(root: Path) -> dict[str, Any]:
    write_kitti_objects(root, train=5, val=4)
    return {"root": root, **OPTIONS}


def damage_kitti_objects(root: Path) -> list[str]:
    training = root / "training"
    (training / "image_2" / "000000.png").unlink()
    (training / "calib" / "000001.txt").unlink()
    singular, negative = P2 * [[1], [1], [0]], P2.copy()
    negative[0, 0] = -72
    (training / "calib" / "000002.txt").write_text(calibration(singular))
    (training / "calib" / "000003.txt").write_text(calibration(negative))
    behind = CAR.replace(" 6 -1.6", " -6 -1.6")
    thin = CAR.replace("1.5 1.6 3.9", "0 1.6 3.9")
    (training / "label_2" / "000005.txt").write_text(
        f"{CAR}{CAR[:-6]}\nCra{CAR[3:]}{CAR.replace('0.75', 'nan')}{behind}{thin}"
    )
    (training / "label_2" / "000006.txt").unlink()
    cut(training / "image_2" / "000004.png")
    (root / "testing" / "calib" / "000000.txt").write_text("P2: 1 2 3\n")
    assert np.linalg.det(singular[:, :3]) == 0
    return [
        "there is no image '" + str(training / "image_2" / "000000.png"),
        "calib/000001.txt'. Copy it there",
        "line 3 (P2) of the calibration '" + str(training / "calib" / "000002.txt"),
        "000003.txt' has the focal lengths -72 and 72",
        "000005.txt', line 2: 14 fields, expected 15",
        "000005.txt', line 3: class 'Cra' is not one of KITTI's. Did you mean 'Car'",
        "000005.txt', line 4: y is 'nan', expected a finite number",
        "000005.txt', line 5: the Car is behind the camera: its z is -6 m",
        "000005.txt', line 6: height, width and length of the Car are 0, 1.6 and 3.9",
        "label_2/000006.txt'. Copy it there",
        "image_2/000004.png'",
        "testing/calib/000000.txt' has 3 numbers",
    ]
