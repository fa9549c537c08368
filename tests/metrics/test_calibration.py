import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from torchmetrics.classification import MulticlassCalibrationError

from vision.errors import ConfigError
from vision.metrics.calibration import Calibration


@pytest.mark.parametrize("bins", [10, 15])
def test_the_errors_are_those_of_torchmetrics(bins: int) -> None:
    generator = torch.Generator().manual_seed(bins)
    scores = (3 * torch.randn(500, 4, generator=generator, dtype=torch.float64)).softmax(dim=1)
    labels = torch.randint(0, 4, (500,), generator=generator)
    sure, predicted = scores.max(dim=1)
    ours = Calibration.of(sure.numpy(), (predicted == labels).numpy(), bins=bins)
    for norm, value in (("l1", ours.error), ("max", ours.largest_error)):
        judge = MulticlassCalibrationError(4, n_bins=bins, norm=norm)
        assert value == pytest.approx(float(judge(scores, labels)), abs=1e-6)
    assert ours.counts.sum() == 500


def test_a_case_by_hand() -> None:
    # Two bins: (0, 0.5] with 0.4 and 0.5, one of them right; (0.5, 1] with 0.9, wrong.
    ours = Calibration.of(np.array([0.4, 0.5, 0.9]), np.array([True, False, False]), bins=2)
    assert ours.counts.tolist() == [2, 1]
    assert ours.accuracy.tolist() == [0.5, 0.0]
    np.testing.assert_allclose(ours.confidence, [0.45, 0.9])
    assert ours.error == pytest.approx((2 * 0.05 + 0.9) / 3)
    assert ours.largest_error == pytest.approx(0.9)


def test_parts_add_up_and_ends_belong_to_the_outer_bins() -> None:
    sure, right = np.array([0.0, 1.0, 0.31, 0.64]), np.array([False, True, True, False])
    whole = Calibration.of(sure, right)
    parts = Calibration.of(sure[:1], right[:1]) + Calibration.of(sure[1:], right[1:])
    for name in ("counts", "right", "sure"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert (whole.counts[0], whole.counts[-1]) == (1, 1)


def test_nothing_has_no_error_and_logits_are_refused() -> None:
    assert np.isnan(Calibration.of(np.zeros(0), np.zeros(0, bool)).error)
    with refuses(ConfigError, "are not probabilities"):
        Calibration.of(np.array([0.5, 3.2]), np.array([True, True]))
    with pytest.raises(ConfigError, match="bins=0"):
        Calibration.of(np.array([0.5]), np.array([True]), bins=0)
