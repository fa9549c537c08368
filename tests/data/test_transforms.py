import numpy as np
import pytest
import torch
from PIL import Image

from vision.data.transforms import eval_transform, train_transform
from vision.errors import ConfigError


def smooth_image(height: int, width: int) -> torch.Tensor:
    rows = torch.linspace(0, 6, height)[:, None]
    columns = torch.linspace(0, 9, width)[None]
    waves = [torch.sin(rows + i) * torch.cos(columns * (1 + i / 3)) for i in range(3)]
    return (torch.stack(waves) * 127 + 128).byte()


def as_pillow(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("height", "width"), [(90, 60), (60, 90), (64, 64), (21, 33)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_evaluation_is_pillow_s_resize_and_the_central_crop(
    height: int, width: int, interpolation: str
) -> None:
    image = smooth_image(height, width)
    actual = eval_transform(28, crop=0.875, interpolation=interpolation)(image)
    # 28 / 0.875 = 32 on the short side, the long side in proportion, rounded down.
    size = [32 * width // min(height, width), 32 * height // min(height, width)]
    resized = as_pillow(image).resize(size, Image.Resampling[interpolation.upper()])
    left, top = round((size[0] - 28) / 2), round((size[1] - 28) / 2)
    expected = np.asarray(resized.crop((left, top, left + 28, top + 28))).astype(int)
    assert actual.dtype == torch.uint8
    assert np.abs(actual.permute(1, 2, 0).numpy() - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1)])
def test_a_thread_of_pixels_costs_no_gigabytes(shape: tuple[int, int]) -> None:
    image = torch.zeros(3, *shape, dtype=torch.uint8)
    image[:, shape[0] // 2, shape[1] // 2] = 255
    result = eval_transform(32, crop=1.0, interpolation="bilinear")(image)
    assert result.shape == (3, 32, 32)
    assert result.max() > 200  # the middle is kept


def test_a_training_crop_covers_the_asked_share_of_the_area() -> None:
    # Each pixel tells its own place, so that a crop's corners tell its extent.
    side = 128
    ramp = torch.arange(side, dtype=torch.uint8)
    image = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)] * 2)[:3]
    transform = train_transform(64, min_scale=0.25, hflip=0.0, interpolation="bilinear")
    shares = []
    for seed in range(60):
        torch.manual_seed(seed)
        crop = transform(image).int()
        assert crop.shape == (3, 64, 64)
        width = (crop[0].max() - crop[0].min() + 1).item()
        height = (crop[1].max() - crop[1].min() + 1).item()
        assert 0.7 < width / height < 1.4
        shares.append(width * height / side**2)
    assert 0.22 < min(shares) < 0.4
    assert max(shares) > 0.8


def test_mirroring_has_its_probability() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[..., 4:] = 255
    for hflip, expected in ((0.0, 0), (1.0, 50)):
        transform = train_transform(8, min_scale=1.0, hflip=hflip, interpolation="bilinear")
        mirrored = sum(bool(transform(image)[0, 0, 0] > 128) for _ in range(50))
        assert mirrored == expected


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (eval_transform, {"crop": 0.0}, "crop=0.0"),
        (eval_transform, {"crop": 1.5}, "crop=1.5"),
        (eval_transform, {"interpolation": "cubic"}, "'cubic' must be one of bicubic, bilinear"),
        (eval_transform, {"image_size": 0}, "image_size=0"),
        (train_transform, {"min_scale": 0.0}, "min_scale=0.0"),
        (train_transform, {"hflip": 2.0}, "hflip=2.0"),
    ],
)
def test_values_out_of_range_are_named(build: object, options: dict, message: str) -> None:
    defaults = {"image_size": 8, "interpolation": "bicubic"}
    defaults |= {"crop": 1.0} if build is eval_transform else {"min_scale": 0.5, "hflip": 0.5}
    with pytest.raises(ConfigError, match=message):
        build(**{**defaults, **options})
