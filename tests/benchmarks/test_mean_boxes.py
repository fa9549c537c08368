"""The command that puts mean boxes at true rectangles, on cars of one kind."""

from pathlib import Path

import pytest
from helpers.kitti_objects import CAMERA, CARS, objects_of
from helpers.refusals import refuses

from vision.annotations.kitti import write_objects
from vision.benchmarks.mean_boxes import measure_mean_boxes
from vision.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("training/label_2", "training/calib", "ImageSets"):
        (tmp_path / part).mkdir(parents=True)
    for number in range(8):
        rows = [[*row[:5], row[5] + number / 10, row[6]] for row in CARS]
        text = write_objects(objects_of(rows))
        (tmp_path / "training" / "label_2" / f"{number:06d}.txt").write_text(text)
        line = "P2: " + " ".join(map(str, CAMERA.ravel()))
        (tmp_path / "training" / "calib" / f"{number:06d}.txt").write_text(line)
    names = [f"{number:06d}\n" for number in range(8)]
    for split, chosen in (("train", names[:2]), ("val", names[2:])):
        (tmp_path / "ImageSets" / f"{split}.txt").write_text("".join(chosen))
    return tmp_path


def test_the_command_prints_both_ways(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_mean_boxes(root=root)
    lines = capsys.readouterr().out.splitlines()
    rows = {tuple(line.split()[:-3]): line.split()[-3:] for line in lines[1:-1]}
    assert len(rows) == 2 * 2 * 2
    for metric in ("bev", "3d"):
        # All of 6 easy, and 12 moderate cars are found: 6 and 12 thresholds, the first at recall 0.
        assert [float(cell) for cell in rows["Car,", "fitted", metric, "0.70"]] == pytest.approx(
            [5 / 40, 11 / 40, 11 / 40], abs=1e-4
        )
        assert float(rows["Car,", "by", "height", metric, "0.70"][1]) == 0
    assert lines[-1].startswith("Car: 1.50 x 1.60 x 4.00 m")
    assert lines[-1].endswith("rotation_y -1.50")


def test_training_labels_without_objects_are_refused(root: Path) -> None:
    (root / "training" / "label_2" / "000000.txt").write_text("")
    (root / "ImageSets" / "train.txt").write_text("000000\n")
    with refuses(DataError, "train.txt", "none of Car, Pedestrian, Cyclist", "no mean box"):
        measure_mean_boxes(root=root)
