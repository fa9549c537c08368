"""Normalisation of pixel values, against torchvision's."""

import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from vision.layers import pixels
from vision.layers.pixels import Normalize, blank_padding

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGES = torch.randint(
    0, 256, (2, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_torchvision(channels_last: bool) -> None:
    result = Normalize(MEAN, STD, channels_last=channels_last)(IMAGES)
    expected = transforms.normalize(IMAGES / 255, MEAN, STD)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert result.is_contiguous(memory_format=order)


@pytest.mark.parametrize("chunk", [1, 250, pixels.CHUNK])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_way_gives_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, chunk: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(pixels, "CHUNK", chunk)
    images = IMAGES.repeat(2, 1, 1, 1)[:3]  # 105 numbers each: chunks of one, of two, of all
    expected = None
    for channels_last in (False, True):
        norm = Normalize(MEAN, STD, channels_last=channels_last).to(dtype)
        for given in (images, images.contiguous(memory_format=torch.channels_last)):
            # With a gradient it is computed without chunks.
            for values in (given, given.float(), given.float().requires_grad_()):
                result = norm(values)
                expected = result.detach() if expected is None else expected
                assert torch.equal(result, expected)
                assert result.requires_grad == values.requires_grad


def test_a_batch_without_images() -> None:
    assert Normalize(MEAN, STD)(IMAGES[:0]).shape == (0, 3, 5, 7)


def test_the_result_has_the_dtype_of_the_module() -> None:
    assert Normalize(MEAN, STD).double()(IMAGES).dtype == torch.float64
    half = Normalize(MEAN, STD).bfloat16()(IMAGES.float() + 0.3)
    assert half.dtype == torch.bfloat16
    # Images are not rounded before the mean is taken off.
    expected = transforms.normalize((IMAGES.float() + 0.3) / 255, MEAN, STD)
    torch.testing.assert_close(half.float(), expected, rtol=0.01, atol=0.02)


def test_settings_are_no_weights() -> None:
    assert Normalize(MEAN, STD).state_dict() == {}


def test_padding_becomes_the_mean_colour_and_the_rest_stays() -> None:
    images = torch.randn(2, 3, 5, 6)
    blank = blank_padding(images, torch.tensor([[5, 6], [3, 4]]))
    assert torch.equal(blank[0], images[0])
    assert torch.equal(blank[1, :, :3, :4], images[1, :, :3, :4])
    assert not blank[1, :, 3:].any()
    assert not blank[1, :, :, 4:].any()
