"""A backbone beside the literal form of its paper, in float64."""

import torch
from torch import Tensor

from vision.backbones.base import Backbone
from vision.benchmarks.peers.table import build_peer, spread_weights


def check_literal(ours: Backbone, size: tuple[int, int]) -> None:
    """Maps, vectors and all gradients are those of the literal form.

    Args:
        ours: A backbone that has such a form.
        size: Height and width of the images, best odd ones.
    """
    generator = torch.Generator().manual_seed(0)
    spread_weights(ours, generator)
    ours.double()
    literal = build_peer("literal", ours, size)
    literal.copy_weights(ours)
    images = torch.randn(2, ours.in_channels, *size, dtype=torch.float64, generator=generator)
    count = len(ours.feature_specs)
    with torch.no_grad():
        ours.eval(), literal.eval()
        maps = ours.forward_stages(images, count)
        for one, expected in zip(maps, literal.run_stages(images), strict=True):
            assert_equal(one, expected, expected)
    gradients = []
    for embed, side in ((ours.train().embed, ours), (literal.train(), literal.parts)):
        given = images.clone().requires_grad_()
        vectors = embed(given)
        vectors.pow(3).mean().backward()
        found = {name: one.grad for name, one in side.named_parameters()}
        gradients.append({"vectors": vectors.detach(), "images": given.grad, **found})
    first, second = gradients
    assert first.keys() == second.keys()
    # Those of biases before a batch norm are zero, but for the rounding of others.
    largest = max(first.values(), key=lambda one: one.abs().max())
    for name, one in first.items():
        assert_equal(one, second[name], largest)


def assert_equal(one: Tensor, expected: Tensor, scale: Tensor) -> None:
    """Equal but for 1e-12 of a value, or of the largest one of `scale`."""
    torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-12 * scale.abs().max().item())
