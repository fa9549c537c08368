"""ConvNeXt weights: names of facebookresearch/ConvNeXt, timm, transformers and mmdet to ours."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import rename

# Of the block and down-sampling norms, in every implementation.
DEFAULT_EPS = 1e-6
DEFAULT_LAYER_SCALE = 1e-6
_MLP_WEIGHT = re.compile(r"\.mlp\.fc[12]\.weight$")

_RULES: dict[str, list[tuple[str, str]]] = {
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
        *((rf"^hidden_states_norms\.stage{i + 1}\.", f"out_norms.{i}.") for i in range(8)),
        (r"^classifier\.", "head.fc."),
    ],
    # The ConvNeXt of mmpretrain, with which mmdet trains.
    "mmdet": [
        (r"^downsample_layers\.", "downsample."),
        (r"\.depthwise_conv\.", ".conv."),
        (r"\.pointwise_conv1\.", ".mlp.fc1."),
        (r"\.pointwise_conv2\.", ".mlp.fc2."),
        (r"^norm(\d)\.", r"out_norms.\1."),
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
    if any(".depthwise_conv." in key for key in keys):
        return "mmdet"
    return "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours; the classifier becomes `head.fc`.

    timm's models with `conv_mlp` have convolutions of 1 x 1 where ours have linear layers.
    """
    renamed = rename(state, _RULES[naming(set(state))])
    return {key: _as_linear(key, tensor) for key, tensor in renamed.items()}


def _as_linear(key: str, tensor: Tensor) -> Tensor:
    is_conv = tensor.ndim == 4 and tensor.shape[2:] == (1, 1)
    return tensor.flatten(1) if is_conv and _MLP_WEIGHT.search(key) else tensor


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing in ConvNeXt depends on the image size."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of a published ConvNeXt class, or of a `ConvNextConfig`.

    Raises:
        ConfigError: An option has a value that is not supported.
    """
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


def _read_timm(reader: OptionReader) -> PublishedModel:
    options = reader.rename(
        {
            "in_chans": "in_channels",
            "depths": "depths",
            "dims": "dims",
            "drop_path_rate": "drop_path_rate",
        }
    )
    scale = reader.take("ls_init_value", DEFAULT_LAYER_SCALE)
    # None leaves the scales out; with 0 they exist, and only their initial value is another.
    options["layer_scale"] = 0.0 if scale is None else scale or DEFAULT_LAYER_SCALE
    reader.expect("global_pool", "avg")
    reader.expect("output_stride", 32)
    kernel_sizes = reader.take("kernel_sizes", 7)
    if kernel_sizes != 7 and set(kernel_sizes) != {7}:
        raise ConfigError(f"timm convnext: option 'kernel_sizes' = {kernel_sizes!r} must be 7.")
    reader.expect("stem_type", "patch")
    reader.expect("patch_size", 4)
    reader.expect("head_norm_first", False)
    reader.expect("head_hidden_size", None)
    # The same layers as convolutions; `convert` reshapes their weights.
    reader.ignore("conv_mlp")
    reader.expect("conv_bias", True)
    reader.expect("use_grn", False)
    reader.expect("act_layer", "gelu")
    reader.expect("norm_layer", None, "layernorm")
    reader.expect("norm_eps", None, DEFAULT_EPS)
    # Dropout of the classifier, which belongs to the task.
    reader.expect("drop_rate", 0)
    reader.ignore("head_init_scale", "device", "dtype")
    return PublishedModel(options, reader.take("num_classes", 1000))


def _read_huggingface(reader: OptionReader) -> PublishedModel:
    options = reader.rename(
        {
            "num_channels": "in_channels",
            "depths": "depths",
            "hidden_sizes": "dims",
            "drop_path_rate": "drop_path_rate",
            "layer_scale_init_value": "layer_scale",
        }
    )
    # transformers reads the epsilon for the norm after pooling alone.
    options["head_norm_eps"] = reader.take("layer_norm_eps", 1e-12)
    depth = len(options.get("depths", (3, 3, 9, 3)))
    reader.expect("num_stages", depth)
    reader.expect("patch_size", 4)
    reader.expect("hidden_act", "gelu")
    names = ["stem", *(f"stage{i + 1}" for i in range(depth))]
    reader.expect("stage_names", names)
    out_indices = reader.take("out_indices")
    out_features = reader.take("out_features")
    if out_indices is None and out_features is not None:
        out_indices = [names.index(name) for name in out_features]
    if out_indices is not None:
        stages = [i - 1 for i in out_indices if i > 0] + [depth + i for i in out_indices if i < 0]
        if len(stages) < len(out_indices):
            raise ConfigError("huggingface convnext: the output of the stem is not supported.")
        # A configuration names the last stage if nothing was chosen, so that this is no choice.
        if stages != [depth - 1]:
            options["out_indices"] = tuple(stages)
    # How fresh weights are drawn, and a size that nothing depends on.
    reader.ignore("initializer_range", "image_size")
    ignore_generic_options(reader)
    return PublishedModel(options, take_num_classes(reader))


_READERS = {"official": _read_official, "timm": _read_timm, "huggingface": _read_huggingface}
