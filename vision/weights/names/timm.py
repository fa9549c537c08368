"""Weights of timm's models for `TimmBackbone`, which holds the model under `model.`."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.published import OptionReader, PublishedModel, Source

_OWN = "model."
# What timm's models call their last linear layer.
_CLASSIFIER = re.compile(r"^(?:head\.fc|head\.l|head|fc|classifier|last_linear)\.(weight|bias)$")


def naming(keys: set[str]) -> str:
    """Ours have the prefix of the wrapped model."""
    return "ours" if any(key.startswith(_OWN) for key in keys) else "timm"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put the prefix before every key; the classifier becomes `head.fc`."""
    if naming(set(state)) == "ours":
        return dict(state)
    return {_rename(key): tensor for key, tensor in state.items()}


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing: resizing is timm's own affair, by `pretrained=True` and `img_size`."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Refused: timm's own names build timm's models.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError("timm's models are built by name: create_backbone('timm/NAME').")


def _rename(key: str) -> str:
    match = _CLASSIFIER.match(key)
    return f"head.fc.{match[1]}" if match else _OWN + key
