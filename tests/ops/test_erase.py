"""Random erasing of batches, against timm's of single images."""

import random

import pytest
import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from vision.ops import erase
from vision.ops.erase import erase_random

COUNT, HEIGHT, WIDTH = 2000, 24, 32


def erased_boxes(images: Tensor) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of what differs from the value 9 in each image."""
    boxes = []
    for changed in (images != 9.0).any(dim=1):
        if changed.any():
            rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
            top, left = int(rows[0]), int(columns[0])
            height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
            assert changed[top : top + height, left : left + width].all()  # one whole rectangle
            boxes.append((top, left, height, width))
    return boxes


@pytest.fixture(scope="module")
def ours() -> Tensor:
    torch.manual_seed(0)
    return erase_random(torch.full((COUNT, 3, HEIGHT, WIDTH), 9.0), 0.25)


def test_rectangles_are_distributed_as_timms(ours: Tensor) -> None:
    random.seed(0)
    torch.manual_seed(0)
    timms = torch.full((COUNT, 3, HEIGHT, WIDTH), 9.0)
    theirs_erase = RandomErasing(probability=0.25, mode="pixel", device="cpu")
    for image in timms:
        theirs_erase(image)
    mine, theirs = (torch.tensor(erased_boxes(x), dtype=torch.float32) for x in (ours, timms))
    for boxes in (mine, theirs):
        assert len(boxes) / COUNT == pytest.approx(0.25, abs=0.03)
    # Share of the area, top and left, each with the spacing of its values.
    quantities = [
        ([x[:, 2] * x[:, 3] / (HEIGHT * WIDTH) for x in (mine, theirs)], 0.03),
        ([x[:, 0] for x in (mine, theirs)], 1.0),
        ([x[:, 1] for x in (mine, theirs)], 1.0),
    ]
    for values, spacing in quantities:
        means = [x.mean().item() for x in values]
        error = sum(x.var().item() / len(x) for x in values) ** 0.5
        assert abs(means[0] - means[1]) < 4 * error
        for share in (0.1, 0.5, 0.9):
            ends = [x.quantile(share).item() for x in values]
            assert ends[0] == pytest.approx(ends[1], abs=spacing)


def test_what_comes_in_is_normal_noise(ours: Tensor) -> None:
    values = ours[ours != 9.0]
    assert values.mean().item() == pytest.approx(0.0, abs=0.02)
    assert values.std().item() == pytest.approx(1.0, abs=0.02)


def test_probabilities_of_none_and_all() -> None:
    images = torch.full((50, 1, 8, 8), 9.0)
    assert torch.equal(erase_random(images, 0.0), images)
    assert len(erased_boxes(erase_random(images, 1.0))) == 50


def test_memory_order_and_dtype_stay() -> None:
    images = torch.zeros(4, 3, 8, 8, dtype=torch.bfloat16).contiguous(
        memory_format=torch.channels_last
    )
    erased = erase_random(images, 1.0)
    assert erased.dtype == torch.bfloat16
    assert erased.is_contiguous(memory_format=torch.channels_last)


def test_every_order_of_memory_gets_the_same_numbers() -> None:
    images = torch.full((20, 3, 16, 16), 9.0)
    results = []
    for order in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        results.append(erase_random(images.contiguous(memory_format=order), 0.5))
    assert torch.equal(*results)
    assert bool((images == 9.0).all())  # the input is not changed


def test_the_form_without_synchronisation_erases_the_same_rectangles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.full((40, 3, 24, 32), 9.0)
    torch.manual_seed(0)
    here = erase_random(images, 0.5)
    monkeypatch.setattr(erase, "is_traced", lambda: True)
    torch.manual_seed(0)
    elsewhere = erase_random(images, 0.5)
    assert torch.equal(here != 9.0, elsewhere != 9.0)
    assert 0 < len(erased_boxes(elsewhere)) < 40


def test_an_image_of_one_pixel_is_left_alone() -> None:
    images = torch.full((5, 3, 1, 1), 9.0)
    assert torch.equal(erase_random(images, 1.0), images)
