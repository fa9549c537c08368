"""CvT weights: the names of microsoft/CvT and transformers."""

from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, Root, within

_PROJECTIONS = ("query", "key", "value")
_EMBEDDING = "encoder.stages.{i}.embedding.convolution_embeddings."
_CONVOLUTION = "attention.attention.convolution_projection_{part}.convolution_projection."
TABLES = {
    "official": Names(
        [
            ("stage{i}.patch_embed.proj.", "embeds.{i}.conv."),
            ("stage{i}.patch_embed.norm.", "embeds.{i}.norm."),
            ("stage{i}.cls_token", "embeds.{i}.class_token"),
            *within(
                "stage{i}.blocks.{j}.",
                "stages.{i}.{j}.",
                *((f"attn.conv_proj_{p[0]}.bn.", f"attn.{p}_conv.norm.") for p in _PROJECTIONS),
                *((f"attn.conv_proj_{p[0]}.", f"attn.{p}_conv.") for p in _PROJECTIONS),
                *((f"attn.proj_{p[0]}.", f"attn.{p}.") for p in _PROJECTIONS),
                ("", ""),
            ),
            ("head.", "head.fc."),
        ]
    ),
    "huggingface": Names(
        [
            ("encoder.stages.{i}.cls_token", "embeds.{i}.class_token"),
            (_EMBEDDING + "projection.", "embeds.{i}.conv."),
            (_EMBEDDING + "normalization.", "embeds.{i}.norm."),
            *within(
                "encoder.stages.{i}.layers.{j}.",
                "stages.{i}.{j}.",
                (_CONVOLUTION + "convolution.", "attn.{part}_conv.conv."),
                (_CONVOLUTION + "normalization.", "attn.{part}_conv.norm."),
                ("attention.output.dense.", "attn.proj."),
                ("attention.attention.projection_{part}.", "attn.{part}."),
                ("intermediate.dense.", "mlp.fc1."),
                ("output.dense.", "mlp.fc2."),
                ("layernorm_before.", "norm1."),
                ("layernorm_after.", "norm2."),
                ("", ""),
            ),
            ("layernorm.", "norm."),
            ("classifier.", "head.fc."),
        ],
        # Their classifier keeps the last norm beside the model, which a model by itself lacks.
        root=Root("cvt.", beside=("classifier.", "layernorm.")),
    ),
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    if "embeds.0.conv.weight" in keys:
        return "ours"
    if any("embedding.convolution_embeddings." in key for key in keys):
        return "huggingface"
    return "official"


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
            "itself runs only with 'dw_bn'."
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
