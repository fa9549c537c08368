"""The counts, on a backbone whose counts are worked by hand."""

import torch
from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.backbones.measure import count_gmacs, count_parameters
from vision.contracts.features import FeatureSpec


class OneConvolution(Backbone):
    """A 2 x 2 convolution of stride 2 from 3 to 5 channels, pooled."""

    family = "one"
    input_conv = "conv.weight"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, kernel_size=2, stride=2)
        self.register_buffer("counted_not", torch.zeros(1000))
        self.embed_dim = 5
        self.choose_outputs(1)
        self.set_outputs([FeatureSpec(5, 2)], None)

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        return [self.conv(images)]

    def embed(self, images: Tensor) -> Tensor:
        return self.conv(images).mean(dim=(2, 3))

    def block_prefixes(self) -> list[list[str]]:
        return [["conv"]]


def test_parameters_with_and_without_a_classifier() -> None:
    assert count_parameters(OneConvolution()) == 5 * 3 * 2 * 2 + 5
    assert count_parameters(OneConvolution(), num_classes=7) == 65 + 7 * 5 + 7


def test_multiply_adds_of_a_convolution_and_a_classifier() -> None:
    convolution = 20 * 30 * 5 * (3 * 2 * 2)
    assert count_gmacs(OneConvolution(), (40, 60)) == convolution / 1e9
    assert count_gmacs(OneConvolution(), (40, 60), num_classes=7) == (convolution + 5 * 7) / 1e9
    with torch.device("meta"):
        assert count_gmacs(OneConvolution(), (40, 60)) == convolution / 1e9
