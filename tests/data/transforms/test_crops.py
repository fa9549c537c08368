import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from vision.data.transforms.crops import Box, resize_crop, sample_crop
from vision.data.transforms.rng import SampleRng


@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (100, 400), (300, 90)])
@pytest.mark.parametrize("min_scale", [0.08, 0.5])
def test_boxes_are_distributed_as_torchvision_s(shape: tuple[int, int], min_scale: float) -> None:
    torch.manual_seed(0)
    count = 2500
    ours = np.array(
        [sample_crop(*shape, min_scale, SampleRng()) for _ in range(count)], dtype=float
    )
    image = torch.empty(3, *shape, device="meta")
    theirs = np.array(
        [
            RandomResizedCrop.get_params(image, [min_scale, 1.0], [3 / 4, 4 / 3])
            for _ in range(count)
        ],
        dtype=float,
    )
    for get in (
        lambda box: box,
        lambda box: np.log(box[:, 2:3] / box[:, 3:]),
        lambda box: box[:, 2:3] * box[:, 3:],
    ):
        a, b = get(ours), get(theirs)
        error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / count)
        assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) <= 4.5 * error).all()
        np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.07, atol=1e-9)
        assert (np.quantile(a, [0, 1], axis=0) - np.quantile(b, [0, 1], axis=0)).max() < (
            0.05 * max(1, np.ptp(b))
        )


@given(height=st.integers(1, 700), width=st.integers(1, 700), seed=st.integers(0, 1000))
@examples(200)
def test_a_box_lies_inside_the_image(height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    top, left, crop_height, crop_width = sample_crop(height, width, 0.08, SampleRng())
    assert 0 <= top <= top + crop_height <= height
    assert 0 <= left <= left + crop_width <= width
    assert min(crop_height, crop_width) >= 1


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    "box", [Box(3, 8, 60, 90), Box(0, 0, 100, 150), Box(50, 60, 41, 17), Box(99, 149, 1, 1)]
)
@pytest.mark.parametrize("interleaved", [True, False])
def test_a_crop_is_resized_as_pillow_does(box: Box, interpolation: str, interleaved: bool) -> None:
    pixels = texture(100, 150)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    if not interleaved:
        image = image.contiguous()
    actual = resize_crop(image, box, 56, interpolation)
    assert actual.shape == (3, 56, 56)
    assert actual.dtype == torch.uint8
    # Pillow chooses the order of the two directions by their cost, and rounds in between.
    crop = Image.fromarray(pixels).crop(
        (box.left, box.top, box.left + box.width, box.top + box.height)
    )
    filter_ = Image.Resampling[interpolation.upper()]
    expected = crop.resize((56, box.height), filter_).resize((56, 56), filter_)
    difference = np.abs(actual.permute(1, 2, 0).numpy().astype(int) - np.asarray(expected))
    assert difference.max() <= 1
    assert difference.mean() < 0.02
    at_once = np.asarray(crop.resize((56, 56), filter_))
    assert np.abs(actual.permute(1, 2, 0).numpy().astype(int) - at_once).mean() < 0.3


def test_a_reduced_box_is_the_nearest() -> None:
    assert Box(10, 21, 100, 200).reduced(1) == Box(10, 21, 100, 200)
    assert Box(10, 21, 101, 200).reduced(4) == Box(2, 5, 26, 50)
    assert Box(0, 0, 375, 500).reduced(8).bottom <= 47
