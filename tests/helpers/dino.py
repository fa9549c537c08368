"""DINO of the authors' code beside ours: options, weights, outputs, losses."""

import json
from itertools import product
from typing import Any

import torch
from helpers.dino_loss import check_dino_loss
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.heads.detection.dino import DINOHead
from vision.ops.flat_maps import FlatMaps
from vision.ops.query_predictions import QueryOutputs, QueryPredictions
from vision.weights.names.dino import TABLE

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9
# Our option by theirs.
OPTIONS = {
    "num_classes": "num_classes",
    "num_queries": "num_queries",
    "num_feature_levels": "num_levels",
    "num_select": "max_per_image",
}
DESIGN = {
    "hidden_dim": "dim",
    "nheads": "num_heads",
    "dec_n_points": "num_points",
    "dec_layers": "decoder_depth",
    "dropout": "dropout",
    "transformer_activation": "activation",
    "embed_init_tgt": "learned_contents",
    "two_stage_learn_wh": "learned_side",
    "dec_pred_class_embed_share": "share_classes",
    "dec_pred_bbox_embed_share": "share_boxes",
    "two_stage_class_embed_share": "share_selected_classes",
    "two_stage_bbox_embed_share": "share_selected_boxes",
}
ENCODER = {
    "enc_layers": "num_layers",
    "enc_n_points": "num_points",
    "pe_temperatureH": "row_temperature",
    "pe_temperatureW": "column_temperature",
}
# Options of theirs with the values that ours is; others are refused.
FIXED: dict[str, Any] = {
    "unic_layers": 0,
    "pre_norm": False,
    "query_dim": 4,
    "num_patterns": 0,
    "use_deformable_box_attn": False,
    "decoder_layer_noise": False,
    "add_channel_attention": False,
    "two_stage_type": "standard",
    "two_stage_pat_embed": 0,
    "two_stage_add_query_num": 0,
    "two_stage_keep_all_tokens": False,
    "dec_layer_number": None,
    "decoder_sa_type": "sa",
    "decoder_module_seq": ["sa", "ca", "ffn"],
    "use_detached_boxes_dec_out": False,
    "position_embedding": "sine",
}
# What is read elsewhere, and options of theirs without an effect beside those of `FIXED`.
ELSEWHERE = {
    *("target_sizes", "backbone_channels", "matcher", "focal_alpha", "dn_number"),
    *("box_attn_type", "add_pos_value", "random_refpoints_xy"),
}
# Our key of predictions by theirs.
KEYS = {"pred_logits": "logits", "pred_boxes": "boxes"}


def build_dino(metadata: dict[str, str]) -> DINOHead:
    """Our head for the options of theirs."""
    options: dict[str, Any] = json.loads(metadata["kwargs"])
    channels = options["backbone_channels"]
    ours: dict[str, Any] = {}
    design: dict[str, Any] = {"exact_padding": False}
    encoder = {}
    for key, value in options.items():
        if key in FIXED:
            assert value == FIXED[key], f"{key}={value} is not supported"
        elif key in OPTIONS:
            ours[OPTIONS[key]] = value
        elif key in DESIGN:
            design[DESIGN[key]] = value
        elif key in ENCODER:
            encoder[ENCODER[key]] = value
        elif key == "dim_feedforward":
            design["feedforward"] = encoder["feedforward"] = value
        elif key == "share_heads":
            design |= {"share_classes": value, "share_boxes": value}
        else:
            assert key in ELSEWHERE, f"{key} is not supported"
    specs = [FeatureSpec(width, 8 << i) for i, width in enumerate(channels)]
    return DINOHead(specs, encoder_options=encoder, design=design, **ours)


def check_dino(reference: ParityFile) -> None:
    """Every tensor of a file: each stage, predictions in both precisions, detections, losses."""
    head = build_dino(reference.metadata).eval()
    _load(head, reference.folder("state_dict"))
    inputs = reference.folder("input")
    features = [value for key, value in sorted(inputs.items()) if key.startswith("feature/")]
    sizes = _sizes(inputs["mask"])
    with torch.no_grad():
        _check_stages(head, reference, features, sizes)
        outputs = _run(head, features, sizes)
        _check_outputs(outputs, reference)
        _check_detections(head, reference, outputs["layers"][-1])
        check_dino_loss(reference)
        check_dino_loss(reference, outputs)
        _check_float64(head.double(), reference, [x.double() for x in features], sizes)


def _load(head: DINOHead, theirs: dict[str, Tensor]) -> None:
    """Load their weights, and see that ours are written as theirs."""
    ours = TABLE.read(theirs)
    head.load_state_dict(ours)
    written = TABLE.write(ours)
    assert written.keys() == theirs.keys()
    for key, value in written.items():
        if key == "label_enc.weight":
            # The last row is that of no class.
            value, expected = value[:-1], theirs[key][: len(value) - 1]
        else:
            expected = theirs[key]
        assert torch.equal(value, expected), key


def _sizes(mask: Tensor) -> Tensor:
    """Height and width of the images in a mask of padding `(B, H, W)`."""
    valid = ~mask
    return torch.stack([valid[:, :, 0].sum(dim=1), valid[:, 0].sum(dim=1)], dim=1)


def _run(head: DINOHead, features: list[Tensor], sizes: Tensor) -> QueryOutputs:
    """What the criterion reads, without noised queries, as there are no objects."""
    outputs: Any = head(features, sizes, [])
    return outputs


def _check_stages(
    head: DINOHead, reference: ParityFile, features: list[Tensor], sizes: Tensor
) -> None:
    tensors = reference.tensors
    memory = head.encode(features, sizes)
    selected = head.selection(memory, head.heads)
    decoded = head.decoder(*head.queries(selected), memory, head.heads)
    found = {
        "encoder/memory": memory.cells,
        # Theirs have an axis of layers, of which there is one.
        "two_stage/hs_enc": selected.cells,
        "two_stage/ref_enc": selected.boxes,
        "two_stage/init_box_proposal": selected.proposals,
        **{f"decoder/hs/{i}": x for i, x in enumerate(decoded.queries)},
        **{f"decoder/reference/{i}": x for i, x in enumerate(decoded.references)},
    }
    start = 0
    for i, (x, (height, width)) in enumerate(
        zip(head.projections(features), memory.sizes, strict=True)
    ):
        padding = memory.padding[:, start : start + height * width].unflatten(1, (height, width))
        start += height * width
        assert torch.equal(padding, tensors[f"mask/{i}"]), f"mask/{i}"
        found[f"src/{i}"] = x
        found[f"pos/{i}"] = head.encoder.positions(padding).permute(0, 3, 1, 2)
    folders = ("src/", "pos/", "encoder/", "two_stage/", "decoder/")
    expected = {key for key in tensors if key.startswith(folders) and not key.endswith("_f64")}
    assert found.keys() == expected
    for key, value in found.items():
        check_tensor(value, tensors[key], TOLERANCE, key)


def _check_outputs(outputs: QueryOutputs, reference: ParityFile) -> None:
    *layers, last = outputs["layers"]
    _check_predictions(last, reference, "")
    _check_predictions(outputs["selection"], reference, "interm_outputs/")
    assert len(reference.folder("aux_outputs")) == len(KEYS) * len(layers)
    for i, layer in enumerate(layers):
        _check_predictions(layer, reference, f"aux_outputs/{i}/")


def _check_predictions(
    predictions: QueryPredictions,
    reference: ParityFile,
    start: str,
    end: str = "",
    tolerance: float = TOLERANCE,
) -> None:
    found: dict[str, Any] = {**predictions}
    for theirs, ours in KEYS.items():
        key = f"{start}{theirs}{end}"
        check_tensor(found[ours], reference.tensors[key], tolerance, key)


def _check_detections(head: DINOHead, reference: ParityFile, predictions: QueryPredictions) -> None:
    """The same classes exactly; boxes are not clipped to the image there."""
    sizes = torch.tensor(json.loads(reference.metadata["kwargs"])["target_sizes"])
    found = head.detect(predictions, sizes)
    for b in range(len(sizes)):
        expected = reference.folder(f"post/{b}")
        assert torch.equal(found["labels"][b], expected["labels"])
        assert found["count"][b] == len(expected["labels"])
        for key in ("scores", "boxes"):
            check_tensor(found[key][b], expected[key], TOLERANCE, f"post/{b}/{key}")


def _check_float64(
    head: DINOHead, reference: ParityFile, features: list[Tensor], sizes: Tensor
) -> None:
    memory = head.encode(features, sizes)
    expected = reference.tensors["encoder/memory_f64"]
    check_tensor(memory.cells, expected, FINE, "encoder/memory_f64")
    _round_as_there(head, memory, reference.tensors["pred_boxes_f64"])
    outputs = _run(head, features, sizes)
    _check_predictions(outputs["layers"][-1], reference, "", "_f64", FINE)
    stored = {key for key in reference.tensors if key.endswith("_f64")}
    assert len(stored) == len(KEYS) + 1


def _round_as_there(head: DINOHead, memory: FlatMaps, expected: Tensor) -> None:
    """Give proposals the last bits that they had in the authors' run.

    They are logarithms in float32, which libraries round differently: that of 7 is 1.9459101 here
    and 1.9459102 there. Where the box of a query differs, a centre one bit lower or higher is
    taken if the box is then the same.
    """
    logits, usable = head.selection.propose(memory)
    head.selection.propose = lambda memory: (logits, usable)  # type: ignore[method-assign]

    def errors() -> tuple[Tensor, Tensor]:
        selected = head.selection(memory, head.heads)
        boxes = head.decode(memory, selected)[-1]["boxes"]
        return (boxes - expected).abs().amax(dim=-1), selected.proposals

    before, proposals = errors()
    for b, q in (before > FINE).nonzero().tolist():
        (cell,) = (logits[b].sigmoid() == proposals[b, q]).all(dim=-1).nonzero().flatten().tolist()
        for axis, end in product((0, 1), (-torch.inf, torch.inf)):
            value = logits[b, cell, axis].clone()
            logits[b, cell, axis] = torch.nextafter(value, torch.tensor(end))
            if errors()[0][b, q] < before[b, q] / 10:
                break
            logits[b, cell, axis] = value
