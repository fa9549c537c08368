"""The largest component of regions, by hand."""

import torch

from vision.ops.volume_components import keep_largest


def test_only_the_largest_component_of_each_region_is_kept() -> None:
    found = torch.zeros(3, 4, 5, 6, dtype=torch.bool)
    found[0, 0, 0, :2] = True  # two cells
    found[0, 2, 2, 2] = found[0, 3, 3, 3] = found[0, 2, 4, 4] = True  # three that touch by corners
    expected = found.clone()
    expected[0, 0] = False
    found[1, 1:3, 1, 1] = expected[1, 1:3, 1, 1] = True  # one component stays, and so does none
    assert torch.equal(keep_largest(found), expected)
