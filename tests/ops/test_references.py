"""How references are refined; whole predictions are in `test_parity_heads.py`."""

import math

import torch

from vision.ops.references import inverse_sigmoid, refine


def test_logits_of_the_ends_are_finite() -> None:
    """1e-5 is the smallest share, as in the authors' code."""
    x = torch.tensor([0.0, 1e-7, 0.25, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    found = inverse_sigmoid(x)
    bound = math.log(1e-5)
    expected = torch.tensor([bound, bound, math.log(1 / 3), 0.0, -bound], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_a_point_gets_its_size_and_a_box_another_one() -> None:
    change = torch.tensor([[[0.0, 1, -2, -2, -1, 0]]])
    box = refine(torch.tensor([[[0.2, 0.5]]]), change)
    expected = torch.tensor([0.0, 1, -2, -2, -1, 0]).sigmoid()
    expected[0] = 0.2
    torch.testing.assert_close(box[0, 0], expected)
    same = refine(box, torch.zeros(1, 1, 6))
    torch.testing.assert_close(same, box)
    # Changes add up before the sigmoid.
    torch.testing.assert_close(refine(refine(box, change), -change), box)


def test_the_smallest_share_may_be_another() -> None:
    found = inverse_sigmoid(torch.tensor([0.0, 0.5, 1.0]), eps=1e-3)
    torch.testing.assert_close(found, torch.tensor([math.log(1e-3), 0.0, -math.log(1e-3)]))
    # The logit of an end is log(eps).
    box = refine(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), eps=0.25)
    torch.testing.assert_close(box, torch.full((1, 1, 4), 0.2))
