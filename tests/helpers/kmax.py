"""kMaX-DeepLab of the authors' code beside ours: options, weights, outputs."""

import json
import math
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.contracts.segmentation import IGNORED
from vision.heads.mask_transformer.kmax import KMaXHead, KMaXWidths
from vision.heads.mask_transformer.semantic_branch import ASPP
from vision.losses.kmax import KMaXLoss, KMaXLossOptions
from vision.losses.mask_matching import assign_queries, read_segments
from vision.ops.cluster_maps import cluster_maps, mask_rows
from vision.ops.mask_predictions import MaskPredictions, MaskTransformerOutputs, resize_predictions
from vision.ops.mask_targets import MaskTargets
from vision.ops.panoptic_merge import MergeOptions, merge_segments, rank_instances
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
# Our term by theirs; those of layer i end in its number.
TERMS = {"ce": "class", "mask": "mask", "dice": "dice", "pixel_insdis": "instance"}
VARIANT = {
    "share_final_matching": "share_final_matching",
    "pixel_insdis_sample_k": "instance_samples",
    "aux_semantic_sample_k": "semantic_samples",
}
MERGING = {
    "class_threshold_thing": "thing_threshold",
    "class_threshold_stuff": "stuff_threshold",
    "overlap_threshold": "overlap_threshold",
    "reorder_class_weight": "class_exponent",
    "reorder_mask_weight": "mask_exponent",
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


def check_kmax_loss(reference: ParityFile) -> None:
    """Every variant of a file of the criterion: matching, weights, terms, gradients."""
    targets = read_targets(reference)
    weights = json.loads(reference.metadata["weight_dict"])
    variants = json.loads(reference.metadata["variants"])
    for variant, theirs in variants.items():
        leaves = {
            key: value.clone().requires_grad_()
            for key, value in reference.folder("input/outputs").items()
        }
        options = KMaXLossOptions(**{VARIANT[key]: value for key, value in theirs.items()})
        uniform = reference.folder(f"{variant}/sample_uniform")
        noise = {our_term(key): value for key, value in uniform.items()}
        outputs = read_outputs(leaves)
        terms = KMaXLoss(options)(outputs, targets, noise)
        expected = {
            key: value
            for key, value in reference.folder(variant).items()
            if key.startswith("loss_")
        }
        assert terms.keys() == {our_term(key) for key in expected}
        for key, value in expected.items():
            check_tensor(terms[our_term(key)], weights[key] * value, TOLERANCE, f"{variant}/{key}")
        total = torch.stack(list(terms.values())).sum()
        check_tensor(total, reference.tensors[f"{variant}/total"], TOLERANCE, f"{variant}/total")
        total.backward()
        for key, value in reference.folder(f"{variant}/grad").items():
            check_tensor(leaves[key].grad, value, TOLERANCE, f"{variant}/grad/{key}")
        _check_matching(reference, outputs, targets, variant)


def our_term(theirs: str) -> str:
    """Our name of a term of their criterion."""
    name = theirs.removeprefix("loss_")
    if name == "aux_semantic":
        return "semantic"
    term, _, layer = name.rpartition("_")
    return f"{TERMS[term]}_{layer}" if layer.isdigit() else TERMS[name]


def read_targets(reference: ParityFile) -> MaskTargets:
    """The targets of a file, padded to the same number of places."""
    count = json.loads(reference.metadata["kwargs"])["batch"]
    images = [reference.folder(f"target/{b}") for b in range(count)]
    pad = nn.utils.rnn.pad_sequence
    semantic = torch.stack([image["semantic_masks"] for image in images])
    return {
        "labels": pad([x["labels"] for x in images], batch_first=True, padding_value=-1),
        "masks": pad([x["masks"] for x in images], batch_first=True),
        "semantic": semantic.masked_fill(semantic < 0, IGNORED),
    }


def read_outputs(tensors: dict[str, Tensor]) -> MaskTransformerOutputs:
    """Outputs of their head under our keys."""
    layers: list[MaskPredictions] = []
    while f"aux_outputs/{len(layers)}/pred_masks" in tensors:
        start = f"aux_outputs/{len(layers)}/"
        layers.append({ours: tensors[start + theirs] for theirs, ours in FINAL.items()})
    final = {ours: tensors[theirs] for theirs, ours in FINAL.items()}
    return {**final, "layers": layers, "semantic_logits": tensors["aux_semantic_pred"]}


def _check_matching(
    reference: ParityFile, outputs: MaskTransformerOutputs, targets: MaskTargets, variant: str
) -> None:
    segments = read_segments(targets, torch.float32)
    assignment = assign_queries(outputs, segments)
    tensors, empty = reference.tensors, segments.labels.shape[1] - 1
    for b, place in enumerate(assignment.place):
        queries, objects = tensors[f"{variant}/match/{b}"]
        assert (place != empty).nonzero().flatten().tolist() == queries.tolist()
        assert place[queries].tolist() == objects.tolist()
        for key, weight in (("dice", "class_weight"), ("cls_prob", "mask_weight")):
            actual = getattr(assignment, weight)[b, queries]
            check_tensor(actual, tensors[f"matched_{key}/{b}"], TOLERANCE, key)
    assert torch.equal(segments.void, tensors["processed/pixel_gt_void_mask"])
    assert torch.equal(assignment.labels, tensors["processed/labels"])
    for key, actual in (
        ("inverse_gt_mask_area", segments.inverse_area),
        ("pq_loss_class_weight", assignment.class_weight),
        ("pq_loss_mask_weight", assignment.mask_weight),
    ):
        check_tensor(actual, tensors[f"processed/{key}"], TOLERANCE, key)


def check_kmax_post(reference: ParityFile) -> None:
    """Resized masks, and the panoptic, semantic and instance results of a file."""
    tensors, kwargs = reference.tensors, json.loads(reference.metadata["kwargs"])
    post = kwargs["post"]
    confidence_threshold = post.pop("pixel_confidence_threshold")
    max_per_image = post.pop("test_topk_per_image")
    options = MergeOptions(**{MERGING[key]: value for key, value in post.items()})
    valid = json.loads(reference.metadata["scaled_size"])
    rows = mask_rows(
        tensors["input/pred_masks"],
        padded=(kwargs["H"], kwargs["W"]),
        valid=(valid[0], valid[1]),
        original=(kwargs["out_h"], kwargs["out_w"]),
    )
    resized = rows.arrange(rows.strip(0, kwargs["out_h"])[..., :2].permute(3, 0, 1, 2))
    check_tensor(math.log(2) * resized, tensors["masks_resized"], TOLERANCE, "masks_resized")
    classes = tensors["input/pred_logits"].softmax(dim=-1)[:, :-1]
    # Strips of the fewest rows, so that there are many.
    maps = cluster_maps(rows, classes, confidence_threshold=confidence_threshold, strip_bytes=1)
    assert torch.equal(maps.semantic, tensors["semantic"].long())
    check_tensor(maps.semantic_scores, tensors["semantic_max"], TOLERANCE, "semantic_max")
    area, confidence, shares = maps.area.numpy(), maps.confidence.numpy(), classes.numpy()
    things = kwargs["things"]
    segments, infos = merge_segments(
        maps.queries.numpy(), area, confidence, shares, things=things, options=options
    )
    assert torch.equal(torch.from_numpy(segments), tensors["panoptic_seg"])
    assert infos == json.loads(reference.metadata["segments_info"])
    queries, labels, scores = rank_instances(
        area, confidence, shares, things=things, max_per_image=max_per_image
    )
    assert labels.tolist() == tensors["instance/classes"].tolist()
    assert area[queries].tolist() == tensors["instance/mask_area"].tolist()
    found = torch.from_numpy(scores).float()
    check_tensor(found, tensors["instance/scores"], TOLERANCE, "instance/scores")
