"""A program of images and of a weight for each, for the tests of inputs beside the images."""

import torch
from torch import Tensor, nn

from vision.export.graph import BATCH, HEIGHT, WIDTH, Graph, GraphInput, SideInput


class WeighedGraph(Graph):
    """Filters images and weighs the result; `half` are two weights, of which the second counts."""

    kind = "weighed"

    def __init__(self) -> None:
        beside = SideInput(
            name="weights",
            key="half",
            dtype=torch.float32,
            shape=(2,),
            values="unused and used weight",
            example=lambda size: torch.tensor([0.0, size[1] / 64]),
        )
        super().__init__(
            axes={"weighed": (BATCH, 4, HEIGHT, WIDTH)},
            first=GraphInput(torch.float32, 3, False, (0.5,) * 3, (0.25,) * 3),
            fixed={},
            beside=[beside],
        )
        torch.manual_seed(0)
        self.filter = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        return (self.filter(images / 255) * weights[:, 1, None, None, None],)
