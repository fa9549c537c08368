"""What is exported: a trained model, its backbone, or a backbone by its name."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from vision.backbones.base import Backbone
from vision.backbones.registry import check_input, create_backbone
from vision.errors import ConfigError
from vision.export.backbone import BackboneGraph, BackboneOutputs
from vision.export.graph import Graph
from vision.export.safetensors import describe_backbone
from vision.export.whole import whole_model
from vision.layers.pixels import Normalize
from vision.weights.load import load_weights


@dataclass(frozen=True)
class Source:
    """A program to export.

    Attributes:
        graph: The program.
        module: The task or the backbone that it runs.
        description: What is known of that: `ModelDescription`, or `describe_backbone`.
    """

    graph: Graph
    module: nn.Module
    description: Mapping[str, Any]

    def default_size(self) -> tuple[int, ...]:
        """The sides of its own, or of the images that it was trained or published with."""
        if self.graph.own_size is not None:
            return self.graph.own_size
        preprocessing = self.description.get("preprocessing") or {}
        if preprocessing and (size := self.graph.usual_size(preprocessing)):
            return size
        side = preprocessing.get("image_size")
        if side is not None:
            return (side, side) if isinstance(side, int) else (side[0], side[1])
        height, width = (self.description.get("input") or {}).get("size", (224, 224))
        return height, width


def whole_source(model: Any, *, logits: bool, input_dtype: str | None) -> Source:
    """A trained model with its post-processing.

    Args:
        model: What `vision.load` returns.
        logits: As in `whole_model`.
        input_dtype: As in `whole_model`.

    Raises:
        ConfigError: The task has no graph, or an option does not fit it.
    """
    graph = whole_model(model.task, logits=logits, input_dtype=input_dtype)
    return Source(graph, model.task, dict(model.description))


def backbone_of(model: Any, *, outputs: BackboneOutputs, include_normalisation: bool) -> Source:
    """The backbone of a trained model.

    Args:
        model: What `vision.load` returns.
        outputs: `"features"` or `"embedding"`.
        include_normalisation: Whether it accepts pixels 0..255.

    Raises:
        ConfigError: It encodes something else than images.
    """
    task, described = model.task, model.description
    if not isinstance(task.backbone, Backbone):
        raise ConfigError(
            f"a backbone that is exported by itself encodes images; that of this {model.kind} "
            "model does not. Leave --backbone out: the whole model is exported."
        )
    normalize = task.normalize if include_normalisation else None
    graph = BackboneGraph(task.backbone, outputs=outputs, normalize=normalize)
    arguments = described["hyper_parameters"].get("backbone_options") or {}
    own = describe_backbone(described["backbone"], arguments, described["input"])
    return Source(graph, task.backbone, own)


def named_backbone(
    name: str,
    *,
    pretrained: bool,
    weights: str | None,
    outputs: BackboneOutputs,
    include_normalisation: bool,
) -> Source:
    """A backbone by its name.

    Args:
        name: As in `vision.create_backbone`.
        pretrained: Whether it has the published weights.
        weights: A file of weights; None for none.
        outputs: `"features"` or `"embedding"`.
        include_normalisation: Whether it accepts pixels 0..255.

    Raises:
        ConfigError: It encodes something else than images.
    """
    check_input(name, "image", owner="an export of a backbone by itself")
    backbone = create_backbone(name, pretrained=pretrained)
    if weights:
        load_weights(backbone, weights)
    spec = backbone.default_input
    normalize = Normalize(spec.mean, spec.std) if include_normalisation else None
    graph = BackboneGraph(backbone, outputs=outputs, normalize=normalize)
    return Source(graph, backbone, describe_backbone(name, {}, asdict(spec)))
