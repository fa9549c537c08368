"""ConvNeXt weights: the names of facebookresearch/ConvNeXt, timm and transformers to ours."""

from collections.abc import Mapping

from torch import Tensor, nn

from vision.weights.published import OptionReader, PublishedModel, Source
from vision.weights.rename import rename

_RULES = {
    "ours": [],
    "official": [
        (r"^downsample_layers\.", "downsample."),
        (r"\.dwconv\.", ".conv."),
        (r"\.pwconv1\.", ".mlp.fc1."),
        (r"\.pwconv2\.", ".mlp.fc2."),
        (r"^norm(\d)\.", r"out_norms.\1."),
        (r"^head\.", "head.fc."),
    ],
    "timm": [
        (r"^head\.norm\.", "norm."),
        (r"^stem\.", "downsample.0."),
        (r"^stages\.(\d+)\.downsample\.", r"downsample.\1."),
        (r"^stages\.(\d+)\.blocks\.(\d+)\.", r"stages.\1.\2."),
        (r"\.conv_dw\.", ".conv."),
    ],
    "huggingface": [
        (r"^convnext\.", ""),
        (r"^embeddings\.patch_embeddings\.", "downsample.0.0."),
        (r"^embeddings\.layernorm\.", "downsample.0.1."),
        (r"^encoder\.stages\.(\d+)\.downsampling_layer\.", r"downsample.\1."),
        (r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2."),
        (r"\.dwconv\.", ".conv."),
        (r"^(stages\.\d+\.\d+)\.layernorm\.", r"\1.norm."),
        (r"\.pwconv1\.", ".mlp.fc1."),
        (r"\.pwconv2\.", ".mlp.fc2."),
        (r"\.layer_scale_parameter$", ".gamma"),
        (r"^layernorm\.", "norm."),
        (r"^classifier\.", "head.fc."),
    ],
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    if "downsample.0.0.weight" in keys:
        return "ours"
    if "stem.0.weight" in keys:
        return "timm"
    if any(key.endswith("embeddings.patch_embeddings.weight") for key in keys):
        return "huggingface"
    return "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours; the classifier becomes `head.fc`."""
    return rename(state, _RULES[naming(set(state))])


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing in ConvNeXt depends on the image size."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of a published ConvNeXt class."""
    return _READERS[source](reader)


def _read_official(reader: OptionReader) -> PublishedModel:
    options = reader.rename(
        {
            "in_chans": "in_channels",
            "depths": "depths",
            "dims": "dims",
            "drop_path_rate": "drop_path_rate",
            "layer_scale_init_value": "layer_scale",
            "out_indices": "out_indices",
        }
    )
    # Scales the freshly initialised classifier only.
    reader.ignore("head_init_scale")
    return PublishedModel(options, reader.take("num_classes", 1000))


_READERS = {"official": _read_official}
