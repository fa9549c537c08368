"""Build the parts that every task has, with errors for parts that do not fit together."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from vision.backbones.base import Backbone
from vision.backbones.encoder import Encoder, MemoryMode
from vision.backbones.registry import TIMM_PREFIX, backbone_class, create_backbone
from vision.errors import ConfigError, WeightsError
from vision.layers.pixels import Normalize
from vision.options import check_number
from vision.tasks.freeze import require_encoder
from vision.weights.load import load_weights
from vision.weights.pretrained import load_pretrained

logger = logging.getLogger(__name__)

# Published weights where they are available, otherwise random ones.
AUTO = "auto"


@dataclass(frozen=True)
class InitialWeights:
    """The source of the initial weights of a training.

    Attributes:
        backbone: Name of the backbone; None if it was given as an object.
        pretrained: As in `create_backbone`, or "auto".
        weights: A file for `load_weights`, or None.
    """

    backbone: str | None
    pretrained: bool | str
    weights: str | None

    def __str__(self) -> str:
        """In words, empty for random weights."""
        if self.weights is not None:
            return self.weights
        if isinstance(self.pretrained, str):
            return self.pretrained
        return f"the published weights of {self.backbone}" if self.pretrained else ""


def build_backbone(
    backbone: str | nn.Module | None,
    options: Mapping[str, Any],
    *,
    pretrained: bool | str,
    dense: bool,
    memory: MemoryMode,
) -> tuple[nn.Module, bool | str]:
    """Build a task's backbone from its name, or take one that is built.

    Args:
        backbone: A name for `create_backbone`, or a backbone; None in a checkpoint means that it
            was given as an object.
        options: Keywords for `create_backbone`.
        pretrained: Used only for timm's models; for others the task loads what fits.
        dense: Whether the task needs the dense-prediction variant.
        memory: What it keeps for the backward pass: see `Encoder.set_memory`.

    Returns:
        The backbone, and the `pretrained` that is left: False where "auto" has found no weights.

    Raises:
        ConfigError: The name or an option is unknown, or the backbone has no such mode of memory.
    """
    if backbone is None:
        raise ConfigError(
            "this task was given its backbone as an object, which a checkpoint does not hold. "
            "Give it again: load_from_checkpoint(path, backbone=...)."
        )
    if isinstance(backbone, str):
        # An encoder without a classifier has no such option.
        if dense and "dense" in inspect.signature(backbone_class(backbone)).parameters:
            options = {"dense": True, **options}
        built: nn.Module
        if backbone.startswith(TIMM_PREFIX):
            built, pretrained = _build_timm(backbone, options, pretrained)
        else:
            built = create_backbone(backbone, **options)
    elif options or pretrained:
        raise ConfigError(
            f"backbone_options={dict(options)} and pretrained={pretrained} are for a backbone "
            "given by name; this one is already built. Build it with these options."
        )
    else:
        built = backbone
    if isinstance(built, Encoder):
        built.set_memory(memory)
    elif memory != "fast":
        require_encoder(built, "memory")
    return built, pretrained


def _build_timm(
    name: str, options: Mapping[str, Any], pretrained: bool | str
) -> tuple[nn.Module, bool | str]:
    if pretrained == AUTO:
        from vision.backbones.timm import check_timm_network

        try:
            check_timm_network(name.removeprefix(TIMM_PREFIX))
            return create_backbone(name, pretrained=True, **options), True
        except WeightsError as error:
            _say_random(name, error)
            pretrained = False
    return create_backbone(name, pretrained=pretrained, **options), pretrained


def _say_random(name: str, error: WeightsError) -> None:
    logger.warning(
        "the published weights of %s are not available (%s): the training starts from random "
        "weights. Give a file by --model.pretrained PATH, or true for an error in this case.",
        name,
        _reason(error),
    )


def check_compile(value: bool | Literal["blocks"], backbone: nn.Module) -> bool | Literal["blocks"]:
    """Check the choice of what is compiled; returns it.

    Raises:
        ConfigError: It is unknown, or the blocks of the backbone cannot be compiled by themselves.
    """
    if not isinstance(value, bool) and value != "blocks":
        raise ConfigError(f"compile={value!r} must be true, false or 'blocks'.")
    if value == "blocks":
        require_blocks(backbone, instead="compile=true")
    return value


def require_blocks(backbone: nn.Module, *, instead: str) -> None:
    """Raise a `ConfigError` unless blocks of a backbone can be compiled by themselves.

    Args:
        backbone: The backbone.
        instead: The option that compiles it whole, for the error.
    """
    if not (isinstance(backbone, Encoder) and backbone.runs_blocks):
        raise ConfigError(
            f"compile='blocks' needs a backbone of the suite, whose blocks are known; this "
            f"{type(backbone).__name__} is compiled whole: {instead}."
        )


def build_normalize(
    backbone: Backbone,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    *,
    channels_last: bool,
) -> Normalize:
    """Build the normalisation of a task's images.

    Args:
        backbone: Its `default_input` is used for what is None.
        mean: Per-channel mean for values in [0, 1].
        std: Per-channel standard deviation for values in [0, 1].
        channels_last: Whether normalised images lie in channels-last memory.

    Returns:
        The normalisation.

    Raises:
        ConfigError: The number of values is not the number of image channels, or a deviation is
            not positive.
    """
    spec = backbone.default_input
    chosen = {"mean": mean or spec.mean, "std": std or spec.std}
    channels = len(chosen["mean"])
    if backbone.input_conv is not None:
        channels = backbone.get_parameter(backbone.input_conv).shape[1]
    for name, values in chosen.items():
        if len(values) != channels:
            raise ConfigError(
                f"{name}={list(values)} has {len(values)} values, but the backbone accepts images "
                f"of {channels} channels. Set {name} to {channels} values."
            )
    for value in (*chosen["mean"], *chosen["std"]):
        check_number("mean and std: a value", value, minimum=-1e3, maximum=1e3)
    if min(chosen["std"]) <= 0:
        raise ConfigError(f"std={list(chosen['std'])} must be positive.")
    return Normalize(chosen["mean"], chosen["std"], channels_last=channels_last)


def _reason(error: WeightsError) -> str:
    """The first sentence of an error, or the reason of the first of several sources."""
    first, *rest = str(error).splitlines()
    line = rest[0].strip() if first.endswith(":") and rest else first
    return line.partition(". ")[0].rstrip(":.")


def load_source(
    task: nn.Module, source: InitialWeights, *, with_classifier: bool
) -> InitialWeights:
    """Load the initial weights of a training.

    Args:
        task: A module with `backbone` and `head`.
        source: Where the weights come from; timm's models have loaded theirs already.
        with_classifier: Whether to load a published classifier into the head.

    Returns:
        The source, without published weights that are not available.

    Raises:
        WeightsError: The weights cannot be found or do not fit.
    """
    name = source.backbone
    if source.pretrained and name is not None and not name.startswith(TIMM_PREFIX):
        target = task if with_classifier else task.get_submodule("backbone")
        source = replace(source, pretrained=_load_published(target, name, source.pretrained))
    if source.weights is not None:
        load_weights(task, source.weights)
    return source


def _load_published(target: nn.Module, name: str, pretrained: bool | str) -> bool | str:
    if pretrained != AUTO:
        load_pretrained(target, name, pretrained)
        return pretrained
    try:
        load_pretrained(target, name, True, once=True)
    except WeightsError as error:
        _say_random(name, error)
        return False
    return True
