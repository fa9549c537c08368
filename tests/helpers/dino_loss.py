"""The criterion of DINO of the authors' code beside ours."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import DetectionBatch
from vision.losses.dino import DINOLoss
from vision.losses.query_matching import QueryCosts, match_layers, read_objects
from vision.ops.query_predictions import QueryOutputs, QueryPredictions
from vision.ops.share_boxes import shares_to_boxes

TOLERANCE = 1e-5
# Their term by ours, and our cost by theirs.
TERMS = {"loss_cls": "loss_ce", "loss_box": "loss_bbox", "loss_giou": "loss_giou"}
COSTS = {"cost_class": "classes", "cost_bbox": "box", "cost_giou": "giou"}
# Their boxes are shares, as if the images had one pixel.
SIZE = 1


def check_dino_loss(reference: ParityFile, outputs: QueryOutputs | None = None) -> None:
    """Every term of a file, and the matches behind them.

    Args:
        reference: The file.
        outputs: Of our head, for the inputs of the file; None for the authors' predictions.
    """
    options = json.loads(reference.metadata["kwargs"])
    costs = {COSTS[key]: value for key, value in options["matcher"].items()}
    if outputs is None:
        outputs = _their_outputs(reference)
    batch = _read_batch(reference)
    criterion = DINOLoss(
        box_weight=1.0, giou_weight=1.0, alpha=options["focal_alpha"], matching=costs
    ).eval()
    terms = criterion(outputs, batch)
    found = _logged(outputs, batch, QueryCosts(**costs))
    for key, term in terms.items():
        name = next(name for name in TERMS if key.startswith(name))
        found[TERMS[name] + key.removeprefix(name)] = term
    found = {key.replace("_selection", "_interm"): term for key, term in found.items()}
    expected = reference.folder("loss")
    assert found.keys() == expected.keys()
    for key, term in expected.items():
        check_tensor(found[key], term, TOLERANCE, f"loss/{key}")


def _read_batch(reference: ParityFile) -> DetectionBatch:
    folders: Sequence[dict[str, Tensor]] = [reference.folder(f"target/{b}") for b in range(2)]
    sizes = torch.full((len(folders), 2), SIZE)
    targets: list[Any] = [
        {
            "boxes": shares_to_boxes(one["boxes"][None], sizes[:1])[0],
            "labels": one["labels"],
            "iscrowd": torch.zeros(len(one["labels"]), dtype=torch.bool),
            "image_id": torch.tensor(i),
        }
        for i, one in enumerate(folders)
    ]
    batch: Any = {"target": targets, "size": sizes}
    return batch


def _their_outputs(reference: ParityFile) -> QueryOutputs:
    def read(prefix: str) -> QueryPredictions:
        tensors = reference.tensors
        return {
            "logits": tensors[f"{prefix}pred_logits"],
            "boxes": tensors[f"{prefix}pred_boxes"],
        }

    depth = json.loads(reference.metadata["kwargs"])["dec_layers"]
    layers = [*(read(f"aux_outputs/{i}/") for i in range(depth - 1)), read("")]
    unused = torch.zeros(())
    return {"layers": layers, "selection": read("interm_outputs/"), "unused": unused}


def _logged(outputs: QueryOutputs, batch: DetectionBatch, costs: QueryCosts) -> dict[str, Tensor]:
    """What theirs logs besides: parts of the box's term, wrong classes, wrong numbers."""
    objects = read_objects(batch, masks=False)
    layers = [*outputs["layers"], outputs["selection"]]
    depth = len(outputs["layers"])
    suffixes = [*(f"_{i}" for i in range(depth - 1)), "", "_selection"]
    found = {}
    lengths = torch.tensor(objects.counts, dtype=torch.float32)
    matched = match_layers(layers, objects, costs)
    for layer, pairs, suffix in zip(layers, matched, suffixes, strict=True):
        apart = (pairs.of_queries(layer["boxes"]) - pairs.of_objects(objects.boxes)).abs()
        found[f"loss_xy{suffix}"] = apart[:, :2].sum() / lengths.sum()
        found[f"loss_hw{suffix}"] = apart[:, 2:].sum() / lengths.sum()
        best = layer["logits"].argmax(dim=-1)
        shown = (best != layer["logits"].shape[-1] - 1).sum(dim=1)
        found[f"cardinality_error{suffix}"] = F.l1_loss(shown.float(), lengths)
        if not suffix:
            right = pairs.of_queries(best) == pairs.of_objects(objects.padded.labels)
            found["class_error"] = 100 - 100 * right.float().mean()
    return found
