"""Sliding windows: where they lie, when the model runs, and the mean of their logits."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vision.ops.windows import WindowRows, window_starts


def test_starts_of_published_settings() -> None:
    # 512 every 341 on ADE20K's long sides, and 769 every 513 on Cityscapes.
    assert window_starts(683, 512, 341) == [0, 171]
    assert window_starts(512, 512, 341) == [0]
    assert window_starts(300, 512, 341) == [0]
    assert window_starts(853, 512, 341) == [0, 341]
    assert window_starts(2048, 769, 513) == [0, 513, 1026, 1279]
    assert window_starts(1024, 769, 513) == [0, 255]


@pytest.mark.parametrize("side", range(1, 40))
def test_windows_cover_every_pixel_and_stay_inside(side) -> None:
    for window, stride in ((7, 7), (7, 5), (10, 3), (1, 1)):
        starts = window_starts(side, window, stride)
        covered = torch.zeros(side)
        for start in starts:
            assert 0 <= start <= max(side - window, 0)
            covered[start : start + window] += 1
        assert covered.min() >= 1
        assert starts == sorted(set(starts))


def make_model(stride=4, classes=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(3, classes, 3, padding=1)).eval()


def mean_of_windows(model, images, window, stride):
    """The straight way: everything in the size of the image."""
    height, width = images.shape[2:]
    total, counts = 0.0, torch.zeros(height, width)
    for y in window_starts(height, window[0], stride[0]):
        for x in window_starts(width, window[1], stride[1]):
            crop = images[:, :, y : y + window[0], x : x + window[1]]
            logits = F.interpolate(model(crop), crop.shape[2:], mode="bilinear")
            right, below = width - x - crop.shape[3], height - y - crop.shape[2]
            total = total + F.pad(logits, (x, right, y, below))
            counts[y : y + window[0], x : x + window[1]] += 1
    return total / counts


def make_rows(model, images, window=(16, 20), stride=(10, 12), **options):
    settings = {"windows_per_batch": 3, **options}
    return WindowRows(model, images, window=window, stride=stride, **settings)


@torch.no_grad()
@pytest.mark.parametrize("step", [2, 7, 100])
@pytest.mark.parametrize("size", [(45, 61), (16, 61), (45, 20), (12, 30), (16, 20), (9, 9)])
def test_the_mean_is_that_of_all_windows(size, step) -> None:
    model, images = make_model(), torch.randn(2, 3, *size)
    view = make_rows(model, images)
    strips = [view.rows(i, min(i + step, size[0])) for i in range(0, size[0], step)]
    assert (view.size, view.classes) == (size, 5)
    expected = mean_of_windows(model, images, (16, 20), (10, 12))
    torch.testing.assert_close(torch.cat(strips, dim=2), expected)


@torch.no_grad()
@pytest.mark.parametrize(("window", "stride"), [((16, 16), (4, 5)), ((16, 16), (16, 16))])
def test_many_windows_over_a_pixel_and_one(window, stride) -> None:
    # A model of stride 1 gives logits that need no resize, and must not be summed in place.
    model, images = make_model(stride=1), torch.randn(1, 3, 40, 37)
    view = make_rows(model, images, window, stride, windows_per_batch=2)
    strips = [view.rows(i, min(i + 6, 40)) for i in range(0, 40, 6)]
    torch.testing.assert_close(
        torch.cat(strips, dim=2), mean_of_windows(model, images, window, stride)
    )


@torch.no_grad()
def test_strips_may_begin_above_the_end_of_the_one_before() -> None:
    model, images = make_model(), torch.randn(1, 3, 45, 30)
    view, expected = make_rows(model, images), mean_of_windows(model, images, (16, 20), (10, 12))
    for start, stop in ((0, 12), (10, 22), (10, 30), (28, 45)):
        torch.testing.assert_close(view.rows(start, stop), expected[:, :, start:stop])


@torch.no_grad()
def test_mirrored_windows_are_those_of_the_mirror_image() -> None:
    model, images = make_model(), torch.randn(2, 3, 20, 37)
    view = make_rows(lambda x: model(x.flip(-1)).flip(-1), images, mirrored=True)
    expected = mean_of_windows(model, images.flip(-1), (16, 20), (10, 12)).flip(-1)
    torch.testing.assert_close(view.rows(0, 20), expected)


@torch.no_grad()
def test_the_model_runs_when_rows_are_asked_for() -> None:
    shapes = []

    def model(images):
        shapes.append(tuple(images.shape))
        return images[:, :, ::4, ::4]

    # Five rows of two windows, which begin at 0, 10, 20, 30 and 40.
    view = make_rows(model, torch.randn(2, 3, 56, 32), windows_per_batch=2)
    assert shapes == [(4, 3, 16, 20)]
    view.rows(0, 10)
    assert len(shapes) == 1
    view.rows(10, 21)
    assert len(shapes) == 3
    view.rows(21, 56)
    assert shapes == [(4, 3, 16, 20)] * 5


@torch.no_grad()
def test_a_batch_reaches_into_the_next_row_of_windows() -> None:
    batches = []

    def model(images):
        batches.append(len(images))
        return images[:, :, ::4, ::4]

    view = make_rows(model, torch.randn(1, 3, 56, 20), windows_per_batch=4)
    view.rows(0, 56)
    assert batches == [4, 1]
