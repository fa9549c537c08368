import pytest
import torch

from vision.ops.mask_predictions import MaskPredictions, resize_predictions


@pytest.mark.parametrize("height", [5, 6])
def test_corners_are_aligned_if_the_height_is_odd(height: int) -> None:
    """Of a ramp with corners at 0 and 1: aligned, its ends are kept and its steps are equal."""
    ramp = torch.tensor([0.0, 1]).view(1, 1, 2, 1)
    predictions: MaskPredictions = {
        "class_logits": torch.randn(1, 1, 3),
        "mask_logits": ramp,
        "pixel_features": -ramp,
    }
    resized = resize_predictions(predictions, (height, 1))
    if height == 5:
        expected = torch.tensor([0.0, 0.25, 0.5, 0.75, 1])
    else:
        # Cell centres at (i + 1/2) / 3 - 1/2, cut to [0, 1].
        expected = torch.tensor([(i + 0.5) / 3 - 0.5 for i in range(6)]).clamp(0, 1)
    torch.testing.assert_close(resized["mask_logits"].flatten(), expected)
    torch.testing.assert_close(resized["pixel_features"], -resized["mask_logits"])
    assert resized["class_logits"] is predictions["class_logits"]
