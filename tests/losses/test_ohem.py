"""Hard pixels, in cases worked by hand."""

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.losses.ohem import OhemOptions, hard_pixels

# Probabilities of the own class of eight pixels of two images; two pixels have no label.
PROBABILITY = torch.tensor([[[0.9, 0.1, 0.8, 0.3]], [[0.05, 0.5, 0.7, 0.95]]])
VALID = torch.tensor([[[1, 1, 1, 1]], [[0, 1, 0, 1]]]).bool()
LOSSES = -PROBABILITY.log()


def chosen(options: OhemOptions, **more: torch.Tensor) -> list[float]:
    """Probabilities of the pixels that were chosen, smallest first."""
    return sorted(PROBABILITY[hard_pixels(LOSSES, VALID, options, **more)].tolist())


def test_without_a_threshold_the_largest_losses_count() -> None:
    assert chosen(OhemOptions(min_kept=1)) == pytest.approx([0.1, 0.3])
    assert chosen(OhemOptions(min_kept=2)) == pytest.approx([0.1, 0.3, 0.5, 0.8])
    assert len(chosen(OhemOptions())) == 6


def test_the_weights_of_classes_count_in_the_ranking() -> None:
    weights = torch.where(PROBABILITY == 0.9, 100.0, 1.0)
    assert chosen(OhemOptions(min_kept=1), weights=weights) == pytest.approx([0.1, 0.9])


def test_all_pixels_under_the_threshold_count() -> None:
    assert chosen(OhemOptions(threshold=0.85, min_kept=1)) == pytest.approx([0.1, 0.3, 0.5, 0.8])


def test_the_threshold_rises_until_there_are_enough() -> None:
    assert chosen(OhemOptions(threshold=0.2, min_kept=1)) == pytest.approx([0.1, 0.3])
    # The largest probability is the limit, which is not below itself.
    assert chosen(OhemOptions(threshold=0.2, min_kept=50)) == pytest.approx(
        [0.1, 0.3, 0.5, 0.8, 0.9]
    )


@pytest.mark.parametrize("options", [OhemOptions(), OhemOptions(threshold=0.7)])
def test_pixels_without_a_label_are_never_chosen(options: OhemOptions) -> None:
    assert not hard_pixels(LOSSES, torch.zeros_like(VALID), options).any()


def test_values_out_of_range_are_refused() -> None:
    with refuses(ConfigError, "ohem.threshold=1.5", "above 0 and at most 1"):
        OhemOptions(threshold=1.5)
    with pytest.raises(ConfigError, match=r"ohem\.min_kept=0"):
        OhemOptions(min_kept=0)
