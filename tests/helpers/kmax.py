"""kMaX-DeepLab of the authors' code beside ours: options, weights, outputs."""

import json
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.heads.mask_transformer.kmax import KMaXHead, KMaXWidths
from vision.heads.mask_transformer.semantic_branch import ASPP
from vision.ops.mask_predictions import resize_predictions
from vision.weights.names.kmax import TABLES

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9
# Our key of what a layer predicts, by theirs: raw, and of the whole head.
RAW = {
    "class_logits": "class_logits",
    "mask_logits": "mask_logits",
    "pixel_feature": "pixel_features",
}
FINAL = {
    "pred_logits": "class_logits",
    "pred_masks": "mask_logits",
    "pixel_feature": "pixel_features",
}
# Our option by theirs.
OPTIONS = {
    "num_classes": "num_classes",
    "num_queries": "num_queries",
    "dec_channels": "stage_channels",
    "dec_layers_pixel": "stage_depths",
    "layer_types": "stage_kinds",
    "dec_layers": "depths",
}
WIDTHS = {
    "D": "queries",
    "heads": "query_heads",
    "ffn": "feedforward",
    "pix": "pixels",
    "md": "masks",
    "pheads": "axial_heads",
    "aspp": "semantic",
}


def build_kmax(metadata: dict[str, str]) -> KMaXHead:
    """Our head for the options of theirs."""
    options: dict[str, Any] = json.loads(metadata["kwargs"])
    widths: dict[str, Any] = json.loads(metadata["widths"])
    channels = options.pop("in_channels")
    # Ours sees the size of its input.
    options.pop("spatial_shape", None)
    decoder = options.pop("use_aux_semantic_decoder")
    low_level = (widths.pop("l8"), widths.pop("l4"))
    specs = [FeatureSpec(c, 32 >> i) for i, c in enumerate(reversed(channels))][::-1]
    return KMaXHead(
        specs,
        semantic="aspp" if decoder else "plain",
        drop_path_rate=0.0,
        widths=KMaXWidths(
            **{WIDTHS[key]: value for key, value in widths.items()}, low_level=low_level
        ),
        **{OPTIONS[key]: value for key, value in options.items()},
    )


def check_kmax_head(reference: ParityFile) -> None:
    """Every tensor of a file of the head: evaluation, float64, training."""
    head = build_kmax(reference.metadata)
    kind = "aspp" if any("_aspp." in key for key in reference.tensors) else "plain"
    theirs = reference.folder("state_dict")
    ours = TABLES[kind].read(theirs)
    head.load_state_dict(ours)
    written = TABLES[kind].write(ours)
    assert written.keys() == theirs.keys()
    assert all(written[key] is theirs[key] for key in theirs)
    inputs = reference.folder("input")
    features = [inputs[key] for key in sorted(inputs, key=lambda key: int(key[3:]))]
    with torch.no_grad():
        _check_evaluation(head.eval(), reference, features)
        fine = [x.double() for x in features]
        _check_float64(head.double(), reference, fine)
        _check_training(head.train(), reference, fine)


def _check_evaluation(head: KMaXHead, reference: ParityFile, features: list[Tensor]) -> None:
    tensors = reference.tensors
    stages = head.pixel_decoder(features)
    for i, scale in enumerate(reference.folder("pixel_decoder/multi_scale")):
        check_tensor(stages[i], tensors[f"pixel_decoder/multi_scale/{scale}"], TOLERANCE, scale)
    check_tensor(stages[-1], tensors["pixel_decoder/panoptic"], TOLERANCE, "panoptic")
    outputs = head(features)
    queries = head.queries.expand(len(features[0]), -1, -1)
    size = outputs["mask_logits"].shape[-2:]
    for i, layer in enumerate(head.layers):
        queries, _ = layer(stages[head.stage_of_layer[i]], queries)
        check_tensor(queries, tensors[f"layer/{i}/query"], TOLERANCE, f"queries {i}")
        resized = resize_predictions(outputs["layers"][i], (size[0], size[1]))
        for theirs, ours in RAW.items():
            raw = outputs["layers"][i][ours]
            check_tensor(raw, tensors[f"layer/{i}/{theirs}"], TOLERANCE, f"{theirs} {i}")
        for theirs, ours in FINAL.items():
            expected = tensors[f"aux_outputs/{i}/{theirs}"]
            check_tensor(resized[ours], expected, TOLERANCE, f"resized {theirs} {i}")
    for theirs, ours in FINAL.items():
        check_tensor(outputs[ours], tensors[theirs], TOLERANCE, theirs)
    semantic = head.semantic(features)
    check_tensor(semantic, tensors["aux_semantic_pred"], TOLERANCE, "semantic")


def _check_float64(head: KMaXHead, reference: ParityFile, features: list[Tensor]) -> None:
    outputs = head(features)
    results = {theirs: outputs[ours] for theirs, ours in FINAL.items()}
    results["pixel_decoder/panoptic"] = head.pixel_decoder(features)[-1]
    results["aux_semantic_pred"] = head.semantic(features)
    stored = {key for key in reference.tensors if key.endswith("_f64")}
    assert stored == {key + "_f64" for key in results}
    for key, actual in results.items():
        check_tensor(actual, reference.tensors[key + "_f64"], FINE, key)


def _check_training(head: KMaXHead, reference: ParityFile, features: list[Tensor]) -> None:
    """In float64: batch statistics amplify rounding in float32 to 1e-5, theirs and ours."""
    for module in head.modules():
        if isinstance(module, ASPP):
            module.dropout = nn.Identity()
    outputs = head(features)
    norm = head.prediction.mask_norm
    results = {
        "pred_logits": outputs["class_logits"],
        "pred_masks": outputs["mask_logits"],
        "aux_semantic_pred": outputs["semantic_logits"],
        "mask_bn_running_mean": norm.running_mean,
        "mask_bn_running_var": norm.running_var,
    }
    expected = reference.folder("train")
    assert expected.keys() == results.keys()
    for key, actual in results.items():
        check_tensor(actual.float(), expected[key], TOLERANCE, f"train/{key}")
