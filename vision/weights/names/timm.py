"""Weights of timm's models for `TimmBackbone`, which holds the model under `model.`.

ResNets are read under the names of detectron2 too, whose stages are numbered from 2.
"""

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, within

_OWN = "model."
# Names of the last linear layer in timm's models; the wrapped model says which.
_CLASSIFIERS = ("head.fc", "head.l", "head", "fc", "classifier", "last_linear")
TABLES = {
    "timm": Names(
        [
            *((f"{name}.weight", "head.fc.weight") for name in _CLASSIFIERS),
            *((f"{name}.bias", "head.fc.bias") for name in _CLASSIFIERS),
            ("", _OWN),
        ],
        writable=False,
    ),
    "detectron2": Names(
        [
            ("stem.conv1.norm.", "model.bn1."),
            ("stem.conv1.", "model.conv1."),
            *within(
                "res{i+1}.{j}.",
                "model.layer{i}.{j}.",
                ("shortcut.norm.", "downsample.1."),
                ("shortcut.", "downsample.0."),
                ("conv{k}.norm.", "bn{k}."),
                ("conv{k}.", "conv{k}."),
            ),
        ],
    ),
}


def naming(keys: set[str]) -> str:
    """Ours have the prefix of the wrapped model."""
    if any(key.startswith(_OWN) for key in keys):
        return "ours"
    return "detectron2" if any(key.startswith("res2.") for key in keys) else "timm"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing: timm itself resizes, by `pretrained=True` and `img_size`."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Refused: timm's own names build timm's models.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError("timm's models are built by name: create_backbone('timm/NAME').")
