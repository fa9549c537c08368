"""Rows of a bilinear resize, against PyTorch's resize of the whole map."""

import pytest
import torch
import torch.nn.functional as F

from vision.ops.resize_rows import MapRows, ResizedRows, resize_rows, source_rows

SIZES = [
    ((7, 5), (29, 23)),
    ((29, 23), (7, 5)),
    ((16, 12), (64, 48)),
    ((5, 40), (40, 5)),
    ((1, 1), (6, 4)),
    ((9, 9), (1, 1)),
    ((13, 8), (13, 31)),
    ((13, 8), (31, 8)),
    ((13, 8), (13, 8)),
]


def interpolate(x, size, align_corners):
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)


def in_strips(rows, height, step):
    strips = [rows(i, min(i + step, height)) for i in range(0, height, step)]
    return torch.cat(strips, dim=2)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_strips_join_to_pytorchs_resize(old, new, align_corners, step) -> None:
    x = torch.randn(2, 3, *old, generator=torch.Generator().manual_seed(0))
    expected = interpolate(x, new, align_corners)
    for logits in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(0, 1)):
        view = MapRows(logits, new, align_corners=align_corners)
        assert (view.size, view.classes) == (new, logits.shape[1])
        truth = expected if logits.shape[:2] == (2, 3) else expected.transpose(0, 1)
        torch.testing.assert_close(in_strips(view.rows, new[0], step), truth)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_no_other_rows_of_the_map_are_read(old, new, align_corners) -> None:
    x = torch.randn(1, 2, *old)
    expected = interpolate(x, new, align_corners)
    for start in range(new[0]):
        for stop in range(start + 1, min(start + 4, new[0]) + 1):
            first, last = source_rows(old[0], new[0], start, stop, align_corners)
            part = resize_rows(
                x[:, :, first:last],
                new,
                start,
                stop,
                align_corners=align_corners,
                first=first,
                height=old[0],
            )
            torch.testing.assert_close(part, expected[:, :, start:stop])


def test_rows_of_a_known_map() -> None:
    # Two rows made into four: the new ones lie at -0.25 (taken as 0), 0.25, 0.75 and 1.25.
    x = torch.tensor([0.0, 8.0]).reshape(1, 1, 2, 1)
    assert resize_rows(x, (4, 1), 1, 4).flatten().tolist() == [2.0, 6.0, 8.0]
    aligned = resize_rows(x, (4, 1), 1, 4, align_corners=True).flatten()
    torch.testing.assert_close(aligned, torch.tensor([8 / 3, 16 / 3, 8.0]))
    assert source_rows(2, 4, 0, 1) == (0, 1)
    assert source_rows(2, 4, 1, 2) == (0, 2)
    assert source_rows(2, 4, 3, 4) == (1, 2)
    assert source_rows(5, 5, 2, 4) == (2, 4)
    assert source_rows(100, 10, 2, 4) == (24, 36)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("middle", [(33, 27), (8, 70), (64, 64)])
def test_two_resizes_one_after_the_other(align_corners, middle) -> None:
    x = torch.randn(2, 3, 8, 9)
    expected = interpolate(interpolate(x, middle, align_corners), (50, 41), align_corners)
    source = MapRows(x, middle, align_corners=align_corners)
    view = ResizedRows(source, (50, 41), align_corners=align_corners)
    assert (view.size, view.classes) == ((50, 41), 3)
    torch.testing.assert_close(in_strips(view.rows, 50, 7), expected)


def test_half_precision_is_resized_in_float32() -> None:
    x = torch.randn(1, 4, 6, 6).bfloat16()
    strips = in_strips(MapRows(x, (24, 24)).rows, 24, 5)
    assert strips.dtype == torch.float32
    torch.testing.assert_close(strips, interpolate(x.float(), (24, 24), False))
    assert MapRows(x, (24, 24)).rows(0, 24).dtype == torch.float32


def test_the_map_stays_as_it_is() -> None:
    x = torch.randn(1, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    before = x.clone()
    in_strips(MapRows(x, (24, 24)).rows, 24, 5)
    assert torch.equal(x, before)
