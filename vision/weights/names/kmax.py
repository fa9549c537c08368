"""kMaX-DeepLab's head as the authors' PyTorch code names it.

https://github.com/bytedance/kmax-deeplab: parameters of `KMaXHead` have `sem_seg_head.` before them
in a whole model. Shapes are the same as ours, so that only names change. Names of its backbones are
those of ConvNeXt's authors and, for ResNets, of detectron2 (`vision.weights.names.timm`).
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from vision.weights.names.table import Names, Root, Row, within

HEAD, _THEIR_HEAD = "head.", "sem_seg_head."
# What only one of our heads of this kind has.
_OWN_PART = HEAD + "pixel_decoder."


def _axis(theirs: str, ours: str) -> list[Row]:
    return within(
        f"_attention.{theirs}.",
        f"mixer.{ours}.",
        ("qkv_transform.conv.", "qkv."),
        ("_batch_norm_qkv.", "qkv_norm."),
        ("_batch_norm_similarity.", "similarity_norm."),
        ("_batch_norm_retrieved_output.", "output_norm."),
        ("_query_rpe._embeddings.weight", "query_table"),
        ("_key_rpe._embeddings.weight", "key_table"),
        ("_value_rpe._embeddings.weight", "value_table"),
    )


_BLOCK = within(
    "_stages.{i}._blocks.{j}.",
    "stages.{i}.{j}.",
    *_axis("_height_axis", "height"),
    *_axis("_width_axis", "width"),
    ("_conv1_bn_act.", "reduce."),
    ("_conv2_bn_act.", "mixer."),
    ("_conv3_bn.", "expand."),
    ("_shortcut.", "shortcut."),
)
_PIXEL_DECODER = within(
    "pixel_decoder.",
    "pixel_decoder.",
    *_BLOCK,
    ("_in_norms.", "norms."),
    ("_resized_fuses.{i}._conv_bn_low.", "fusions.{i}.low."),
    ("_resized_fuses.{i}._conv_bn_high.", "fusions.{i}.high."),
)
# The misspelling is theirs.
_PREDICTION = within(
    "_predcitor.",
    "prediction.",
    ("_pixel_space_head_conv0bnact.", "depthwise."),
    ("_pixel_space_head_conv1bnact.", "hidden."),
    ("_pixel_space_head_last_convbn.", "features."),
    ("_pixel_space_mask_batch_norm.", "mask_norm."),
    ("_transformer_mask_head.", "kernels."),
    ("_transformer_class_head.conv.", "classes."),
)
_LAYER = within(
    "_kmax_transformer_layers.{i}.",
    "layers.{i}.",
    *_PREDICTION,
    ("_pixel_conv1_bn_act.", "pixels."),
    ("_pixel_v_conv_bn.", "values."),
    ("_query_conv1_bn_act.", "queries."),
    ("_kmeans_query_batch_norm_retrieved_value.", "cluster_norm."),
    ("_kmeans_query_conv3_bn.", "cluster_project."),
    ("_query_qkv_conv_bn.", "attention.qkv."),
    ("_query_self_attention._batch_norm_similarity.", "attention.similarity_norm."),
    ("_query_self_attention._batch_norm_retrieved_value.", "attention.output_norm."),
    ("_query_conv3_bn.", "attention.project."),
    ("_query_ffn_conv1_bn_act.", "feedforward.0."),
    ("_query_ffn_conv2_bn.", "feedforward.1."),
)


def _fusion(theirs: str, ours: str) -> list[Row]:
    return [
        (f"_low_level_projection_{theirs}.", f"fusions.{ours}.reduce."),
        (f"_low_level_fusion_{theirs}_conv0_bn_act.", f"fusions.{ours}.depthwise."),
        (f"_low_level_fusion_{theirs}_conv1_bn_act.", f"fusions.{ours}.project."),
    ]


_ASPP = [
    ("_aspp._aspp_conv{i}.", "aspp.convs.{i}."),
    ("_aspp._aspp_pool.", "aspp.pool."),
    ("_aspp._proj_conv_bn_act.", "aspp.project."),
    *_fusion("os8", "0"),
    *_fusion("os4", "1"),
    ("conv_block_0.", "depthwise."),
    ("conv_block_1.", "hidden."),
    ("final_conv.conv.", "classifier."),
]
_PLAIN = [("0.", "depthwise."), ("1.", "hidden."), ("2.conv.", "classifier.")]


def _head(semantic: list[Row]) -> Names:
    predictor = within(
        "predictor.",
        "",
        *_LAYER,
        *_PREDICTION,
        *within("_auxiliary_semantic_predictor.", "semantic.", *semantic),
        ("_cluster_centers.weight", "queries"),
        ("_class_embedding_projection.", "class_queries."),
        ("_mask_embedding_projection.", "mask_queries."),
    )
    return Names([*_PIXEL_DECODER, *predictor], root=Root(_THEIR_HEAD, beside=("backbone.",)))


# By the kind of the semantic branch; a head that has none reads and writes the same by either.
TABLES = {"aspp": _head(_ASPP), "plain": _head(_PLAIN)}


def is_kmax(keys: set[str]) -> bool:
    """Whether these are keys of a whole model of kMaX-DeepLab's code."""
    return any(key.startswith(_THEIR_HEAD) for key in keys)


def is_mask_transformer(names: Iterable[str]) -> bool:
    """Whether these are parameters of a task with one of our heads of this kind."""
    return any(name.startswith(_OWN_PART) for name in names)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the head of a model to ours.

    Args:
        state: Tensor by key of a whole model, without the keys of its backbone.

    Returns:
        The tensors under `head.`; what has no counterpart keeps its key.
    """
    inner = {key: tensor for key, tensor in state.items() if key.startswith(_THEIR_HEAD)}
    kind = "aspp" if any("._aspp." in key for key in inner) else "plain"
    head = {HEAD + key: tensor for key, tensor in TABLES[kind].read(inner).items()}
    # The weights of the classes in the criterion are options of ours.
    rest = {k: v for k, v in state.items() if k not in inner and not k.startswith("criterion.")}
    return {**head, **rest}


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the head of one of our tasks.

    Args:
        state: Tensor by key, under `head.`; names of other parts stay.

    Returns:
        The tensors under `sem_seg_head.`.
    """
    inner = {k.removeprefix(HEAD): v for k, v in state.items() if k.startswith(HEAD)}
    kind = "aspp" if any(key.startswith("semantic.aspp.") for key in inner) else "plain"
    head = {_THEIR_HEAD + key: tensor for key, tensor in TABLES[kind].write(inner).items()}
    return {**head, **{k: v for k, v in state.items() if not k.startswith(HEAD)}}
