import pytest
import torch
from helpers.pictures import texture
from torch.nn import functional as F

from vision.data.transforms.resizing import resize_planes

PICTURE = torch.from_numpy(texture(60, 84))  # (H, W, 3)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(24, 30), (90, 41), (40, 50), (1, 1)])
@pytest.mark.parametrize("form", ["interleaved", "planes", "one row"])
def test_pixels_are_those_of_interpolate(
    form: str, size: tuple[int, int], interpolation: str, antialias: bool, flip: bool
) -> None:
    image = PICTURE.permute(2, 0, 1)
    if form == "planes":
        image = image.contiguous()
    part = image[:, 7 : 8 if form == "one row" else 47, 20:70]
    kept = part.clone()
    actual = resize_planes(part, size, interpolation=interpolation, antialias=antialias, flip=flip)
    batch = kept[None].contiguous(memory_format=torch.channels_last)
    expected = F.interpolate(batch, size=size, mode=interpolation, antialias=antialias)[0]
    assert actual.dtype == torch.uint8
    assert actual.is_contiguous()
    assert torch.equal(actual, expected.flip(2) if flip else expected)
    assert torch.equal(part, kept)


@pytest.mark.parametrize("flip", [False, True])
def test_an_image_of_that_size_is_copied(flip: bool) -> None:
    image = PICTURE.permute(2, 0, 1).clone()
    resize_planes(image, (60, 84), flip=flip).zero_()
    assert torch.equal(image, PICTURE.permute(2, 0, 1))
