"""Means as predictions, against sums by hand and the rooms they come from."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.benchmarks.mean_maps import (
    depth_scalars,
    mean_maps,
    measure_mean_maps,
    normals_scalars,
)
from vision.data.synthetic.nyuv2 import write_nyuv2
from vision.data.synthetic.space_render import view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.errors import DataError


def test_means_are_those_of_known_pixels() -> None:
    first, second = np.array([[[1.0, 0.0, 2.0]]]), np.array([[[3.0, 0.0, 0.0]]])
    means = mean_maps([first, second])
    assert means.by_place.tolist() == [[[2.0, 2.0, 2.0]]]  # the middle is the mean of all
    assert means.constant.tolist() == [[[2.0, 2.0, 2.0]]]
    # |2 - 1| / 1 and |2 - 4| / 4; a reading is missing.
    scalars = depth_scalars(means.constant, [np.array([[[1.0, 4.0, 0.0]]])])
    assert scalars["abs_rel"] == pytest.approx((1 + 0.5) / 2)


def test_angles_are_measured_from_the_direction_of_the_mean() -> None:
    down, ahead = np.zeros((3, 1, 2)), np.zeros((3, 1, 2))
    down[1], ahead[2] = 1, -1
    means = mean_maps([down, ahead])
    assert means.constant[:, 0, 0].tolist() == [0, 0.5, -0.5]
    scalars = normals_scalars(means.by_place, [down])
    assert scalars["mean"] == pytest.approx(45)


def test_images_of_several_sizes_have_no_mean_of_a_place() -> None:
    with refuses(DataError, "(4, 5)", "(4, 6)", "one size"):
        mean_maps([np.ones((1, 4, 5)), np.ones((1, 4, 6))])
    with pytest.raises(DataError, match="no training maps"):
        mean_maps([])


def test_the_command_prints_the_errors_of_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = RoomSamples(train=4, val=2, size=96, seed=1)
    write_nyuv2(tmp_path / "rooms", samples)
    measure_mean_maps(root=tmp_path / "rooms")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    depths = {
        split: np.stack([view(one.world).depth for one in compose_rooms(samples, split)])
        for split in ("train", "val")
    }
    errors = np.abs(depths["train"].mean() / depths["val"] - 1).mean(axis=(1, 2))
    (constant,) = (row for row in rows if row[:2] == ["depth,", "constant"])
    assert float(constant[2]) == pytest.approx(errors.mean(), abs=1e-3)
    assert [row[:3] for row in rows if row[0] == "normals,"][1] == ["normals,", "by", "place"]
