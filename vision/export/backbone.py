"""Export graph of a backbone without a head: a feature pyramid or an embedding."""

from typing import Literal, get_args

import torch
from torch import Tensor

from vision.backbones.base import Backbone
from vision.errors import ConfigError, suggest
from vision.export.graph import BATCH, Axes, Graph, GraphInput
from vision.layers.pixels import Normalize

BackboneOutputs = Literal["features", "embedding"]
# Families whose classifier depends on comparisons with the image size.
SIZED_CLASSIFIERS = {
    "swin": "Swin's classifier chooses its windows, and whether they shift, by the size of the "
    "image; the pyramid of maps (outputs='features') accepts any"
}


class BackboneGraph(Graph):
    """A backbone for export.

    Args:
        backbone: The backbone.
        outputs: `"features"` for the maps `map_0`, `map_1`, ..., finest first, or `"embedding"` for
            the vector that a classifier reads.
        normalize: Normalisation to include in the program, which then accepts values 0..255; None
            accepts normalised images.
        dtype: Type of the images; by default uint8 with a normalisation and float32 without.

    Raises:
        ConfigError: `outputs` is unknown, or the backbone cannot embed.
    """

    kind = "backbone"

    def __init__(
        self,
        backbone: Backbone,
        *,
        outputs: BackboneOutputs = "features",
        normalize: Normalize | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if outputs not in get_args(BackboneOutputs):
            known = get_args(BackboneOutputs)
            raise ConfigError(
                f"outputs={outputs!r} is not one of {', '.join(known)}.{suggest(outputs, known)}"
            )
        axes: dict[str, Axes] = {}
        if outputs == "embedding":
            backbone.check_can_embed()
            axes = {"embedding": (BATCH, backbone.embed_dim)}
        else:
            for i, spec in enumerate(backbone.feature_specs):
                axes[f"map_{i}"] = (BATCH, spec.channels, f"height_{i}", f"width_{i}")
        expected = backbone.default_input
        mean, std = (expected.mean, expected.std) if normalize is None else normalize.values
        default = torch.float32 if normalize is None else torch.uint8
        super().__init__(
            axes=axes,
            first=GraphInput(dtype or default, len(mean), normalize is None, mean, std),
            fixed=fixed_axes(backbone, embeds=outputs == "embedding"),
        )
        self.backbone, self.normalize, self.outputs = backbone, normalize, outputs
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to maps `(B, C, h, w)`, or to the vector `(B, D)`."""
        if self.normalize is not None:
            images = self.normalize(images)
        if self.outputs == "embedding":
            return (self.backbone.embed(images),)
        return tuple(self.backbone(images))


def fixed_axes(backbone: Backbone, *, embeds: bool) -> dict[str, str]:
    """The axes of this backbone's program that cannot be dynamic, and why.

    Args:
        backbone: The backbone.
        embeds: Whether the program returns the embedding instead of the maps.
    """
    reason = SIZED_CLASSIFIERS.get(backbone.family) if embeds else None
    return {} if reason is None else {"size": reason}
