"""CvT weights: the names of microsoft/CvT and transformers to ours."""

from collections.abc import Mapping

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import rename

_RULES = {
    "ours": [],
    "official": [
        (r"^stage(\d+)\.patch_embed\.proj\.", r"embeds.\1.conv."),
        (r"^stage(\d+)\.patch_embed\.norm\.", r"embeds.\1.norm."),
        (r"^stage(\d+)\.cls_token$", r"embeds.\1.class_token"),
        (r"^stage(\d+)\.blocks\.(\d+)\.", r"stages.\1.\2."),
        (r"\.conv_proj_q\.", ".query_conv."),
        (r"\.conv_proj_k\.", ".key_conv."),
        (r"\.conv_proj_v\.", ".value_conv."),
        (r"_conv\.bn\.", "_conv.norm."),
        (r"\.proj_q\.", ".query."),
        (r"\.proj_k\.", ".key."),
        (r"\.proj_v\.", ".value."),
        (r"^head\.", "head.fc."),
    ],
    "huggingface": [
        (r"^(?:cvt\.)?encoder\.stages\.(\d+)\.cls_token$", r"embeds.\1.class_token"),
        (r"^(?:cvt\.)?encoder\.stages\.(\d+)\.embedding\.convolution_embeddings\.", r"embeds.\1."),
        (r"^(embeds\.\d+)\.projection\.", r"\1.conv."),
        (r"^(embeds\.\d+)\.normalization\.", r"\1.norm."),
        (r"^(?:cvt\.)?encoder\.stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2."),
        (
            r"\.attention\.attention\.convolution_projection_(\w+)\.convolution_projection\.",
            r".attn.\1_conv.",
        ),
        (r"_conv\.convolution\.", "_conv.conv."),
        (r"_conv\.normalization\.", "_conv.norm."),
        (r"\.attention\.attention\.projection_(\w+)\.", r".attn.\1."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"\.output\.dense\.", ".mlp.fc2."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"^layernorm\.", "norm."),
        (r"^classifier\.", "head.fc."),
    ],
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    if "embeds.0.conv.weight" in keys:
        return "ours"
    if any("embedding.convolution_embeddings." in key for key in keys):
        return "huggingface"
    return "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours; the classifier becomes `head.fc`."""
    return rename(state, _RULES[naming(set(state))])


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing in CvT depends on the image size."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of a published CvT class, or of a `CvtConfig`.

    Raises:
        ConfigError: timm has no CvT, or an option has a value that is not supported.
    """
    if source not in _READERS:
        raise ConfigError(f"{source} has no CvT; known are {', '.join(_READERS)}.")
    return _READERS[source](reader)


def _read_official(reader: OptionReader) -> PublishedModel:
    options = reader.rename({"in_chans": "in_channels"})
    # How fresh weights are drawn; published weights replace them.
    reader.expect("init", "trunc_norm", "xavier")
    num_classes = reader.take("num_classes", 1000)
    spec = OptionReader(reader.take("spec") or {}, owner="official cvt, spec")
    spec.expect("INIT", "trunc_norm", "xavier")
    # The authors' class does not read it.
    spec.ignore("POS_EMBED")
    num_stages = spec.take("NUM_STAGES")
    stages = spec.rename(
        {
            "PATCH_SIZE": "patch_sizes",
            "PATCH_STRIDE": "patch_strides",
            "PATCH_PADDING": "patch_paddings",
            "DIM_EMBED": "dims",
            "NUM_HEADS": "num_heads",
            "DEPTH": "depths",
            "MLP_RATIO": "mlp_ratios",
            "ATTN_DROP_RATE": "attn_drop_rate",
            "DROP_RATE": "drop_rate",
            "DROP_PATH_RATE": "drop_path_rate",
            "QKV_BIAS": "qkv_bias",
            "CLS_TOKEN": "class_token",
            "QKV_PROJ_METHOD": "projection",
            "KERNEL_QKV": "kernel_qkv",
            "PADDING_KV": "padding_kv",
            "STRIDE_KV": "stride_kv",
            "PADDING_Q": "padding_q",
            "STRIDE_Q": "stride_q",
        }
    )
    spec.finish()
    # The authors' class reads the first NUM_STAGES values of each list.
    options |= {name: tuple(values[:num_stages]) for name, values in stages.items()}
    if "linear" in options.get("projection", ()):
        raise ConfigError(
            "official cvt, spec: QKV_PROJ_METHOD 'linear' is not supported; the authors' own code "
            "fails with it. Supported: dw_bn, avg."
        )
    return PublishedModel(options, num_classes)


def _read_huggingface(reader: OptionReader) -> PublishedModel:
    methods = reader.take("qkv_projection_method", ("dw_bn",))
    if set(methods) != {"dw_bn"}:
        raise ConfigError(
            f"huggingface cvt: qkv_projection_method = {methods!r} is not supported; transformers "
            "itself runs with 'dw_bn' alone."
        )
    options = reader.rename(
        {
            "num_channels": "in_channels",
            "patch_sizes": "patch_sizes",
            "patch_stride": "patch_strides",
            "patch_padding": "patch_paddings",
            "embed_dim": "dims",
            "num_heads": "num_heads",
            "depth": "depths",
            "mlp_ratio": "mlp_ratios",
            "attention_drop_rate": "attn_drop_rate",
            "drop_rate": "drop_rate",
            "qkv_bias": "qkv_bias",
            "cls_token": "class_token",
            "kernel_qkv": "kernel_qkv",
            "padding_kv": "padding_kv",
            "stride_kv": "stride_kv",
            "padding_q": "padding_q",
            "stride_q": "stride_q",
        }
    )
    options["drop_path_rate"] = reader.take("drop_path_rate", (0.0, 0.0, 0.1))
    options["act"] = "gelu"
    # transformers' CvT does not read the epsilon (its norms have 1e-5); the other draws weights.
    reader.ignore("layer_norm_eps", "initializer_range")
    ignore_generic_options(reader)
    return PublishedModel(options, take_num_classes(reader))


_READERS = {"official": _read_official, "huggingface": _read_huggingface}
