"""Names of DINO's code; whole heads of theirs are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.loaded_weights import check_all_loaded
from helpers.tiny_detection import tiny_detector
from helpers.tiny_dino import SMALL, tiny_head
from torch import Tensor, nn

from vision import create_backbone
from vision.documents.class_table import coco_classes
from vision.heads.detection.dino import DINOHead
from vision.necks.pyramid import complete_pyramid
from vision.weights.load import load_weights
from vision.weights.names.dino import COCO_IDS, TABLE, default_class_names
from vision.weights.names.published_names import published_names
from vision.weights.names.swin import TABLES

SWIN: dict[str, Any] = {
    "dim": 8,
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 2, 2),
    "window_size": 4,
}


@pytest.mark.parametrize(
    "design",
    [
        {},
        {"share_classes": False, "share_boxes": False, "learned_contents": False},
        {"learned_side": True, "share_selected_classes": True, "share_selected_boxes": True},
    ],
)
def test_every_name_has_a_counterpart_both_ways(design: dict[str, Any]) -> None:
    state = tiny_head(design=design, num_levels=5).state_dict()
    theirs = TABLE.write(state)
    starts = ("input_proj.", "transformer.", "class_embed.", "bbox_embed.", "label_enc.")
    assert all(key.startswith(starts) for key in theirs)
    assert {int(key.split(".")[1]) for key in theirs if key.startswith("input_proj.")} == {
        *range(5)
    }
    read = TABLE.read(theirs)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_what_is_there_more_than_once_shares_no_memory() -> None:
    theirs = TABLE.write(tiny_head().state_dict())
    copies = [
        theirs[f"{owner}bbox_embed.{i}.layers.2.bias"]
        for owner in ("", "transformer.decoder.")
        for i in range(2)
    ]
    assert all(torch.equal(copies[0], copy) for copy in copies)
    assert len({copy.data_ptr() for copy in copies}) == 4
    assert theirs["label_enc.weight"].shape == (4, 32)
    assert not theirs["label_enc.weight"][-1].any()


def test_parameters_are_named_as_in_the_published_code() -> None:
    names = published_names(tiny_detector(detector="dino"))
    assert names["head.projections.coarser.0.norm.weight"] == "input_proj.3.1.weight"
    offsets = "transformer.encoder.layers.0.self_attn.sampling_offsets.weight"
    assert names["head.encoder.layers.0.attention.offsets.weight"] == offsets
    assert names["head.heads.classes.0.bias"] == "class_embed.0.bias"


class Whole(nn.Module):
    """A backbone and a head."""

    def __init__(self, backbone: nn.Module, num_classes: int = 3) -> None:
        super().__init__()
        self.backbone: Any = backbone
        neck = complete_pyramid(self.backbone.feature_specs, (8, 16, 32))
        self.head = DINOHead(neck.feature_specs, num_classes=num_classes, **SMALL)


def resnet() -> nn.Module:
    return create_backbone("timm/resnet18")


def swin() -> nn.Module:
    return create_backbone("swin", dense=True, out_indices=(1, 2, 3), **SWIN)


def their_backbone(backbone: Any) -> dict[str, Tensor]:
    """The tensors of a backbone under the names of DINO's code."""
    state = backbone.state_dict()
    if backbone.family == "swin":
        return {f"backbone.0.{k}": v for k, v in TABLES["official"].write(state, backbone).items()}
    # Their norms are frozen: they have statistics, and count nothing.
    return {
        key.replace("model.", "backbone.0.body."): tensor
        for key, tensor in state.items()
        if not key.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("build", [resnet, swin])
def test_a_checkpoint_of_theirs_is_loaded(build: Any) -> None:
    torch.manual_seed(0)
    model, other = Whole(build()), Whole(build())
    state = {**their_backbone(model.backbone), **TABLE.write(model.head.state_dict())}
    report = load_weights(other, {"model": state, "epoch": 11})
    assert report.naming == "dino"
    check_all_loaded(other, model, report)


def test_classes_of_the_same_name_are_kept() -> None:
    """Theirs of COCO are category ids, of which 18 is a dog, and 12 is nothing."""
    torch.manual_seed(0)
    model, other = Whole(resnet(), COCO_IDS), Whole(resnet())
    state = {**their_backbone(model.backbone), **TABLE.write(model.head.state_dict())}
    names = default_class_names(state)
    assert names is not None
    assert (names[1], names[18], names[90]) == ("person", "dog", "toothbrush")
    assert set(names) & set(coco_classes()) == set(coco_classes())
    assert len(set(names)) == COCO_IDS
    load_weights(other, {"model": state}, class_names=["dog", "unicorn", "person"])
    for mine, theirs in (
        (other.head.heads.classes[0].bias, model.head.heads.classes[0].bias),
        (other.head.heads.classes[0].weight, model.head.heads.classes[0].weight),
        (other.head.selection.classes.weight, model.head.selection.classes.weight),
        (other.head.labels.weight, model.head.labels.weight),
    ):
        assert torch.equal(mine[[0, 2]], theirs[[18, 1]])
    assert torch.equal(other.head.contents.weight, model.head.contents.weight)
