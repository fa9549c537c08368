"""ConvNeXt weights: the names of facebookresearch/ConvNeXt, timm, transformers and mmpretrain."""

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.operations import as_linear, each
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, Root, within

# Epsilon of the block and down-sampling norms, in every implementation.
DEFAULT_EPS = 1e-6
DEFAULT_LAYER_SCALE = 1e-6
_MLP = [("pwconv1.", "mlp.fc1."), ("pwconv2.", "mlp.fc2.")]
# timm's models with `conv_mlp` have convolutions of 1 x 1.
_LINEAR = [each(r"\.mlp\.fc[12]\.weight$", as_linear)]
TABLES = {
    "official": Names(
        [
            ("downsample_layers.", "downsample."),
            *within("stages.{i}.{j}.", "stages.{i}.{j}.", ("dwconv.", "conv."), *_MLP),
            ("norm{i}.", "out_norms.{i}."),
            ("head.", "head.fc."),
        ]
    ),
    "timm": Names(
        [
            ("head.norm.", "norm."),
            ("stem.", "downsample.0."),
            ("stages.{i}.downsample.", "downsample.{i}."),
            *within("stages.{i}.blocks.{j}.", "stages.{i}.{j}.", ("conv_dw.", "conv."), ("", "")),
        ],
        _LINEAR,
    ),
    "huggingface": Names(
        [
            ("embeddings.patch_embeddings.", "downsample.0.0."),
            ("embeddings.layernorm.", "downsample.0.1."),
            ("encoder.stages.{i}.downsampling_layer.", "downsample.{i}."),
            *within(
                "encoder.stages.{i}.layers.{j}.",
                "stages.{i}.{j}.",
                ("dwconv.", "conv."),
                ("layernorm.", "norm."),
                *_MLP,
                ("layer_scale_parameter", "gamma"),
            ),
            ("layernorm.", "norm."),
            ("hidden_states_norms.stage{i+1}.", "out_norms.{i}."),
            ("classifier.", "head.fc."),
        ],
        root=Root("convnext.", beside=("classifier.",)),
    ),
    # The ConvNeXt of mmpretrain, with which mmdet trains.
    "mmdet": Names(
        [
            ("downsample_layers.", "downsample."),
            *within(
                "stages.{i}.{j}.",
                "stages.{i}.{j}.",
                ("depthwise_conv.", "conv."),
                ("pointwise_conv1.", "mlp.fc1."),
                ("pointwise_conv2.", "mlp.fc2."),
            ),
            ("norm{i}.", "out_norms.{i}."),
        ],
        _LINEAR,
    ),
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
    # The same layers as convolutions; reading reshapes their weights.
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
    # transformers reads the epsilon only for the norm after pooling.
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
