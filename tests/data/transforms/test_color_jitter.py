from itertools import permutations

import numpy as np
import pytest
import torch
from helpers.pictures import planes, texture
from PIL import Image, ImageEnhance
from torchvision.transforms import ColorJitter as TorchvisionJitter

from vision.data.transforms.color_jitter import ColorJitter
from vision.data.transforms.rng import SampleRng


class Noted(SampleRng):
    """A generator that always gives the middle, so that factors are 1, or the top of the range."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def unit(self) -> float:
        return self.value


def test_middle_factors_change_nothing() -> None:
    image = planes(texture(20, 30))
    np.testing.assert_array_equal(ColorJitter(0.4)(image, Noted(0.5)), image)


def test_smallest_factors_in_their_order_are_pillow_s() -> None:
    pixels = texture(20, 30)
    expected = Image.fromarray(pixels)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        expected = change(expected).enhance(1 - 0.4)
    actual = ColorJitter(0.4)(planes(pixels), Noted(0.0))
    np.testing.assert_array_equal(actual, planes(expected))


class Ordered(SampleRng):
    """A generator that pops changes in a given order, with a factor for each."""

    def __init__(self, numbers: list[float]) -> None:
        super().__init__()
        self.numbers = iter(numbers)

    def unit(self) -> float:
        return next(self.numbers)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_every_order_pixels_are_pillow_s(order: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    changes = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
    expected, left, numbers = Image.fromarray(pixels), [0, 1, 2], []
    for change, share in zip(order, (0.1, 0.9, 0.3), strict=True):
        expected = changes[change](expected).enhance(1 - 0.4 + 0.8 * share)
        numbers += [(left.index(change) + 0.5) / len(left), share]
        left.remove(change)
    actual = ColorJitter(0.4)(planes(pixels), Ordered(numbers))
    np.testing.assert_array_equal(actual, planes(expected))


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_pixels_are_distributed_as_torchvision_s(strength: float) -> None:
    pixels = texture(16, 16)
    picture, image = Image.fromarray(pixels), planes(pixels)
    theirs, ours = TorchvisionJitter(strength, strength, strength), ColorJitter(strength)
    torch.manual_seed(0)
    count = 800
    a = np.stack([ours(image, SampleRng()) for _ in range(count)]).astype(float)
    b = np.stack([planes(theirs(picture)) for _ in range(count)]).astype(float)
    for statistic in (lambda x: x.mean(axis=(2, 3)), lambda x: x.std(axis=(2, 3))):
        one, other = statistic(a), statistic(b)
        error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / count)
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4 * error).all()
        np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=0.12)
