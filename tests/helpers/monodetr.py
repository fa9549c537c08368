"""MonoDETR of the authors' code beside ours: options, weights, outputs, losses."""

import json
import math
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor, under
from torch import Tensor

from vision.contracts.detection3d import MonocularTarget
from vision.contracts.features import FeatureSpec
from vision.heads.detection3d.decoding import Chosen, choose, decode
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.heads.detection3d.predictions import ANGLE_BINS
from vision.losses.depth_map import paint_depth
from vision.losses.monocular_matching import MatchingCosts, match_queries
from vision.losses.monodetr import MonoDETRLoss
from vision.ops.camera_views import CameraViews
from vision.ops.depth_bins import DepthBins
from vision.ops.monocular_predictions import (
    MonocularOutputs,
    MonocularPredictions,
    sides_to_corners,
)
from vision.ops.monocular_targets import pad_objects
from vision.weights.names.monodetr import TABLE

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9
# Our option by theirs.
OPTIONS = {"num_classes": "num_classes", "num_queries": "num_queries"}
BINS = {"num_depth_bins": "count", "depth_min": "minimum", "depth_max": "maximum"}
DESIGN = {
    "hidden_dim": "dim",
    "nheads": "num_heads",
    "dim_feedforward": "feedforward",
    "enc_layers": "encoder_depth",
    "dec_layers": "decoder_depth",
    "dec_n_points": "num_points",
    "dropout": "dropout",
}
# Options of theirs with the values that ours is; others are refused.
FIXED = {
    "mode": "LID",
    "return_intermediate_dec": True,
    "num_feature_levels": 4,
    "position_embedding": "sine",
    "masks": False,
    "with_box_refine": True,
    "two_stage": False,
    "use_dab": False,
    "use_dn": False,
    "two_stage_dino": False,
    "init_box": False,
    "num_patterns": 0,
    "aux_loss": True,
}
# Options of their backbone, training, and of what is switched off by the ones above.
ELSEWHERE = {
    *("device", "backbone", "train_backbone", "dilation", "scalar", "label_noise_scale"),
    *("box_noise_scale", "focal_alpha", "enc_n_points"),
}
# Our key of predictions by theirs; their depth has its scale beside it.
KEYS = {
    "pred_logits": "logits",
    "pred_boxes": "boxes",
    "pred_3d_dim": "sizes",
    "pred_angle": "angles",
}
# Parts of theirs that change nothing.
WITHOUT_EFFECT = ("label_enc.", "query_scale.", "ref_point_head.", "sa_v_proj.")
# The groups of queries that are hard-coded there.
GROUPS = 11


def build_monodetr(metadata: dict[str, str]) -> MonoDETRHead:
    """Our head for the options of theirs."""
    options: dict[str, Any] = json.loads(metadata["kwargs"])
    channels = json.loads(metadata["backbone_channels"])
    for key, value in FIXED.items():
        assert options.pop(key) == value, key
    assert options["enc_n_points"] == options["dec_n_points"], "enc_n_points"
    ours: dict[str, Any] = {}
    bins, design = {}, {}
    for key, value in options.items():
        if key in OPTIONS:
            ours[OPTIONS[key]] = value
        elif key in BINS:
            bins[BINS[key]] = value
        elif key in DESIGN:
            design[DESIGN[key]] = value
        else:
            # Those of the criterion have their own file.
            known = key in ELSEWHERE or key.endswith("_coef") or key.startswith("set_cost_")
            assert known, f"{key} is not supported"
    # A coarser and a finer map, which are not read.
    specs = [FeatureSpec(width, 8 << i) for i, width in enumerate(channels)]
    return MonoDETRHead(specs, num_groups=GROUPS, bins=bins, design=design, **ours)


def check_monodetr_head(reference: ParityFile) -> None:
    """Every tensor of a file of the head: evaluation, float64, decoding, training."""
    head = build_monodetr(reference.metadata)
    theirs = reference.folder("state_dict")
    computed = head.depth_predictor.bin_values.clone()
    _load(head, theirs)
    expected = theirs["depth_predictor.depth_bin_values"]
    check_tensor(computed, expected, TOLERANCE, "depth_bin_values")
    inputs = reference.folder("input")
    features = [value for key, value in sorted(inputs.items()) if key.startswith("feature/")]
    with torch.no_grad():
        _check_evaluation(head.eval(), reference, features)
        _check_decoding(head, reference, _run(head, reference, features))
        fine = [x.double() for x in features]
        _check_float64(head.double(), reference, fine)
        _check_training(head.float().train(), reference, features)


def _load(head: MonoDETRHead, theirs: dict[str, Tensor]) -> None:
    """Load their weights, and see that ours are written as theirs."""
    ours = TABLE.read(theirs)
    head.load_state_dict(ours)
    written = TABLE.write(ours)
    assert written.keys() == theirs.keys()
    for key, value in written.items():
        assert value.shape == theirs[key].shape, key
        without_effect = any(name in key for name in WITHOUT_EFFECT)
        assert torch.equal(value, torch.zeros_like(value) if without_effect else theirs[key]), key


def _run(head: MonoDETRHead, reference: ParityFile, features: list[Tensor]) -> Any:
    return head(features, *_cameras(reference, features))


def _cameras(reference: ParityFile, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Cameras, sizes of the inputs and of the images, height first."""
    cameras = reference.tensors["input/calibs"].to(features[0].dtype)
    original = reference.tensors["input/img_sizes"].flip(-1).to(features[0].dtype)
    size = torch.tensor([8 * side for side in features[0].shape[-2:]])
    return cameras, size.expand(len(original), -1), original


def _check_evaluation(head: MonoDETRHead, reference: ParityFile, features: list[Tensor]) -> None:
    tensors = reference.tensors
    maps = head.projections(features)
    for i, x in enumerate(maps):
        check_tensor(x, tensors[f"src/{i}"], TOLERANCE, f"src/{i}")
    cells, logits, depth = head.depth_predictor(maps[:3])
    check_tensor(logits, tensors["depth/logits"], TOLERANCE, "depth/logits")
    check_tensor(depth, tensors["depth/weighted_depth"], TOLERANCE, "depth/weighted_depth")
    positions = [head.positions(x) for x in maps]
    encoded, _ = head.depth_encoder(cells, positions[1], depth)
    # One rounding of the depth moves its code by 1e-5: it is compared at their rounded depth.
    expected_depth = tensors["depth/weighted_depth"].flatten(1)
    code = head.depth_encoder.code(expected_depth)
    for key, value in {"embed": encoded, "pos_embed": code}.items():
        expected = tensors[f"depth/{key}"].flatten(2).transpose(1, 2)
        check_tensor(value, expected, TOLERANCE, f"depth/{key}")
    memory = head.encode(maps, positions, encoded)
    check_tensor(memory.visual, tensors["encoder/memory"], TOLERANCE, "encoder/memory")
    decoded = head.decoder(memory, head.queries, list(head.predictions))
    sizes = [p.sizes(x) for p, x in zip(head.predictions, decoded.queries, strict=True)]
    found = {
        "hs": torch.stack(decoded.queries),
        "init_reference": decoded.points,
        "inter_references": torch.stack(decoded.boxes),
        "inter_references_dim": torch.stack(sizes),
    }
    assert found.keys() == reference.folder("decoder").keys()
    for key, value in found.items():
        check_tensor(value, tensors[f"decoder/{key}"], TOLERANCE, f"decoder/{key}")
    outputs = _run(head, reference, features)
    _check_predictions(outputs, reference, "", "", TOLERANCE)
    for i, layer in enumerate(outputs["layers"]):
        _check_predictions(layer, reference, f"aux_outputs/{i}/", "", TOLERANCE)


def _check_predictions(
    outputs: MonocularPredictions, reference: ParityFile, start: str, end: str, tolerance: float
) -> None:
    found = {theirs: outputs[ours] for theirs, ours in KEYS.items()}
    found["pred_depth"] = torch.stack([outputs["depth_m"], outputs["log_scale"]], dim=-1)
    for key, value in found.items():
        expected = reference.tensors[f"{start}{key}{end}"]
        check_tensor(value, expected, tolerance, f"{start}{key}{end}")


def _check_float64(head: MonoDETRHead, reference: ParityFile, features: list[Tensor]) -> None:
    outputs = _run(head, reference, features)
    _check_predictions(outputs, reference, "", "_f64", FINE)
    depth = head.depth_predictor(head.projections(features)[:3])[2]
    check_tensor(depth, reference.tensors["depth/weighted_depth_f64"], FINE, "weighted_depth_f64")
    stored = {key for key in reference.tensors if key.endswith("_f64")}
    assert len(stored) == len(KEYS) + 2


def _check_training(head: MonoDETRHead, reference: ParityFile, features: list[Tensor]) -> None:
    for module in head.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    outputs = _run(head, reference, features)
    assert outputs["num_groups"] == GROUPS
    _check_predictions(outputs, reference, "train/", "", TOLERANCE)


def _check_decoding(
    head: MonoDETRHead, reference: ParityFile, outputs: MonocularPredictions
) -> None:
    chosen = choose(outputs, reference.tensors["decode/dets"].shape[1])
    check_tensor(_their_rows(chosen), reference.tensors["decode/dets"], TOLERANCE, "decode/dets")
    shape = reference.tensors["decode/dets"].shape
    cameras, _, original = _cameras(reference, [reference.tensors["input/feature/0"]])
    views = CameraViews(
        *(x.double() for x in (cameras, original[:, 1], original[:, 0], original[:, 0]))
    )
    mean = reference.tensors["decode/cls_mean_size"]
    wide = Chosen(*(x if x.dtype == torch.int64 else x.double() for x in chosen))
    found = decode(wide, views, mean, head.score_threshold)
    for b in range(shape[0]):
        expected = reference.tensors[f"decode/boxes/{b}"]
        count = found["count"][b]
        x, y, z, length, height, width, yaw = found["boxes3d"][b, :count].unbind(dim=-1)
        rows = [
            found["labels"][b, :count].double(),
            found["alpha"][b, :count],
            *found["boxes"][b, :count].unbind(dim=-1),
            *(height, width, length),
            # Theirs is the middle of the bottom.
            *(x, y + height / 2, z, yaw),
            found["scores"][b, :count],
        ]
        for i, column in enumerate(rows):
            check_tensor(column, expected[:, i], TOLERANCE, f"decode/boxes/{b} column {i}")


def _their_rows(chosen: Chosen) -> Tensor:
    """The columns of their intermediate result."""
    corners = sides_to_corners(chosen.boxes)
    low, high = corners[..., :2], corners[..., 2:]
    return torch.cat(
        [
            chosen.labels[..., None].float(),
            chosen.scores[..., None],
            (low + high) / 2,
            high - low,
            chosen.depth[..., None],
            chosen.angles,
            chosen.sizes,
            chosen.boxes[..., :2],
            (-chosen.log_scale).exp()[..., None],
        ],
        dim=-1,
    )


# Our term by theirs; those of layer i end in its number.
TERMS = {
    "loss_ce": "loss_class",
    "loss_center": "loss_center",
    "loss_bbox": "loss_sides",
    "loss_giou": "loss_giou",
    "loss_depth": "loss_depth",
    "loss_dim": "loss_size",
    "loss_angle": "loss_angle",
}
# Only logged there.
LOGGED = ("cardinality_error", "class_error")


def check_monodetr_loss(reference: ParityFile) -> None:
    """Bins, the map of depth, and of both modes the matches, every term and every gradient."""
    tensors, kwargs = reference.tensors, json.loads(reference.metadata["kwargs"])
    assert kwargs.pop("focal_alpha") == 0.25, "focal_alpha"
    assert torch.equal(DepthBins().index(tensors["bins/depth"]), tensors["bins/index"])
    targets = [_read_target(reference.folder(f"target/{b}")) for b in range(2)]
    assert [len(target["labels"]) for target in targets] == kwargs["num_targets"]
    depth, _ = paint_depth(pad_objects(targets), (24, 80))
    assert torch.equal(depth, tensors["depth_map/target_depth"])
    assert torch.equal(DepthBins().index(depth), tensors["depth_map/target_bin"].long())
    logits = tensors["input/eval/pred_depth_map_logits"]
    for mode, groups in (("eval", 1), ("train", kwargs["group_num"])):
        _check_loss(reference, mode, groups, targets, logits)


def _read_target(target: dict[str, Tensor]) -> MonocularTarget:
    centre, size = target["boxes"][:, :2], target["boxes"][:, 2:]
    middle = target["heading_bin"] * (2 * math.pi / ANGLE_BINS)
    return {
        "labels": target["labels"],
        "boxes": target["boxes_3d"],
        "boxes2d": torch.cat([centre - size / 2, centre + size / 2], dim=-1),
        "sizes": target["size_3d"],
        "depth_m": target["depth"][:, 0],
        "alpha": (middle + target["heading_res"])[:, 0],
    }


def _read_predictions(leaves: dict[str, Tensor]) -> MonocularPredictions:
    depth, log_scale = leaves["pred_depth"].unbind(dim=-1)
    found = {ours: leaves[theirs] for theirs, ours in KEYS.items()}
    return {**found, "depth_m": depth, "log_scale": log_scale}


def _check_loss(
    reference: ParityFile,
    mode: str,
    groups: int,
    targets: list[MonocularTarget],
    depth_logits: Tensor,
) -> None:
    given = reference.folder(f"input/{mode}")
    leaves = {key: value.clone().requires_grad_() for key, value in given.items()}
    last = _read_predictions(leaves)
    outputs: MonocularOutputs = {
        **last,
        "layers": [_read_predictions(under(leaves, f"aux_outputs/{i}/")) for i in range(2)],
        "depth_logits": depth_logits,
        "mean_sizes": torch.zeros(last["logits"].shape[-1], 3),
        "num_groups": groups,
    }
    weights = json.loads(reference.metadata["weight_dict"])
    terms = MonoDETRLoss()(outputs, targets)
    expected = {
        our_term(key): weights[key] * value
        for key, value in reference.folder(mode).items()
        if key.startswith("loss_")
    }
    assert terms.keys() == expected.keys()
    for key, value in expected.items():
        check_tensor(terms[key], value, TOLERANCE, f"{mode}/{key}")
    total = torch.stack(list(terms.values())).sum()
    check_tensor(total, reference.tensors[f"{mode}/total"], TOLERANCE, f"{mode}/total")
    total.backward()
    for key, value in reference.folder(f"{mode}/grad").items():
        check_tensor(leaves[key].grad, value, TOLERANCE, f"{mode}/grad/{key}")
    (pairs,) = match_queries([last], pad_objects(targets), num_groups=groups, costs=MatchingCosts())
    for b in range(len(targets)):
        queries, places = reference.tensors[f"{mode}/match/{b}"]
        here = pairs.image == b
        assert pairs.query[here].tolist() == queries.tolist()
        assert pairs.place[here].tolist() == places.tolist()
    known = ("loss_", "grad/", "match/", "total", *LOGGED)
    assert all(key.startswith(known) for key in reference.folder(mode))


def our_term(theirs: str) -> str:
    """Our name of a term of their criterion."""
    name, _, layer = theirs.rpartition("_")
    if layer.isdigit():
        return f"{TERMS[name]}_{layer}"
    return TERMS.get(theirs, theirs)
