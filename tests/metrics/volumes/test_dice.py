import math

import numpy as np
import pytest
import torch
from helpers.random_volumes import random_masks
from monai.metrics import DiceMetric

from vision.metrics.volumes.dice import dice


@pytest.mark.parametrize("seed", range(3))
def test_the_score_is_monais(seed: int) -> None:
    found, truth = random_masks(seed)
    expected = DiceMetric(reduction="none")(
        torch.from_numpy(found)[None].float(), torch.from_numpy(truth)[None].float()
    )
    measured = [dice(*pair) for pair in zip(found, truth, strict=True)]
    assert measured == pytest.approx(expected[0].tolist(), rel=1e-6)


def test_an_empty_truth_is_left_out_or_scored() -> None:
    nothing, something = np.zeros((2, 3, 4), dtype=bool), np.ones((2, 3, 4), dtype=bool)
    assert math.isnan(dice(nothing, nothing))
    assert math.isnan(dice(something, nothing))
    assert dice(nothing, nothing, "brats") == 1
    assert dice(something, nothing, "brats") == 0
    assert dice(nothing, something) == dice(nothing, something, "brats") == 0
