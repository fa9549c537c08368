"""The semantic branches in training; their numbers are in `test_parity_heads.py`."""

import torch

from vision.contracts.features import FeatureSpec
from vision.heads.mask_transformer.semantic_branch import ASPP, ASPPDecoder, PlainBranch

SPECS = [FeatureSpec(channels, 4 << i) for i, channels in enumerate((3, 4, 5, 6))]


def maps(batch: int, side: int) -> list[torch.Tensor]:
    sides = [-(-side // spec.stride) for spec in SPECS]
    return [torch.randn(batch, s.channels, n, n) for s, n in zip(SPECS, sides, strict=True)]


def test_the_global_average_of_one_image_trains() -> None:
    """A batch norm would refuse a single value per channel."""
    aspp = ASPP(6, 8).train()
    aspp(torch.randn(1, 6, 3, 4)).sum().backward()
    assert all(p.grad is not None for p in aspp.parameters())


@torch.no_grad()
def test_a_constant_map_gives_its_average_to_every_cell() -> None:
    aspp = ASPP(2, 4, rates=()).eval()
    output = aspp(torch.tensor([1.0, -2]).view(1, 2, 1, 1).expand(1, 2, 5, 7))
    torch.testing.assert_close(output, output[..., :1, :1].expand_as(output))


@torch.no_grad()
def test_sizes_and_logits() -> None:
    decoder = ASPPDecoder(SPECS, num_classes=7, channels=8, reduced_channels=(3, 2)).eval()
    plain = PlainBranch(SPECS, num_classes=7, channels=8).eval()
    features = maps(2, 65)
    assert decoder(features).shape == (2, 8, 17, 17)
    assert plain(features).shape == (2, 7, 3, 3)
