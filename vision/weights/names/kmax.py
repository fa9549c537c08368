"""kMaX-DeepLab's head as the authors' PyTorch code names it.

https://github.com/bytedance/kmax-deeplab: parameters of `KMaXHead` have `sem_seg_head.` before them
in a whole model. Shapes are the same as ours, so that only names change.
"""

from vision.weights.names.table import Names, Root, Row, within


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
    return Names([*_PIXEL_DECODER, *predictor], root=Root("sem_seg_head.", beside=("backbone.",)))


# By the kind of the semantic branch; a head that has none reads and writes the same by either.
TABLES = {"aspp": _head(_ASPP), "plain": _head(_PLAIN)}
