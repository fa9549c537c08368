"""Cells of maps in one row, and which of them are padding."""

import torch
from torch.nn import functional as F

from vision.ops.flat_maps import flatten_maps, padded_cells, split_maps


def test_padding_is_that_of_a_resize_to_the_nearest_pixel() -> None:
    """As the authors of DETR make it: from a mask of the pixels of the padded images."""
    sizes, canvas = torch.tensor([[96, 128], [67, 102], [1, 65]]), (96, 128)
    rows, columns = torch.arange(96)[:, None], torch.arange(128)
    mask = torch.stack([(rows >= height) | (columns >= width) for height, width in sizes])
    for size in ((12, 16), (6, 8), (3, 4), (2, 2), (5, 7)):
        expected = F.interpolate(mask[None].float(), size=size)[0].bool()
        assert torch.equal(padded_cells(sizes, canvas, size), expected)


def test_maps_come_back_as_they_were() -> None:
    maps = [torch.randn(2, 3, 4, 6), torch.randn(2, 3, 2, 3)]
    sizes = torch.tensor([[32, 48], [20, 24]])
    padding = [padded_cells(sizes, (32, 48), (x.shape[-2], x.shape[-1])) for x in maps]
    flat = flatten_maps(maps, padding)
    assert flat.cells.shape == (2, 30, 3)
    assert torch.equal(flat.cells[1, 6 * 2 + 5], maps[0][1, :, 2, 5])
    assert flat.padding[1, 6 * 2 + 5]
    assert not flat.padding[0].any()
    for x, again in zip(maps, split_maps(flat.cells, flat.sizes), strict=True):
        assert torch.equal(again, x)
    # The second image has 3 of 4 rows and 3 of 6 columns, and 2 of 2 and 2 of 3.
    assert flat.counts.tolist() == [[[6, 4], [3, 2]], [[3, 3], [2, 2]]]
    torch.testing.assert_close(flat.ratios[1], torch.tensor([[0.5, 0.75], [2 / 3, 1.0]]))
