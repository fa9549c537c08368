"""Names of MonoDETR's code; a whole head of theirs is in `test_parity_heads.py`."""

import torch
from helpers.loaded_weights import check_all_loaded
from helpers.tiny_monocular import TINY, tiny_head
from torch import nn

from vision import create_backbone
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.weights.load import load_weights
from vision.weights.names.monodetr import TABLE


def test_every_name_has_a_counterpart_both_ways() -> None:
    state = tiny_head().state_dict()
    theirs = TABLE.write(state)
    starts = ("input_proj.", "depth_predictor.", "depthaware_transformer.", "query_embed.")
    starts += ("class_embed.", "bbox_embed.", "dim_embed_3d.", "depth_embed.", "angle_embed.")
    assert all(key.startswith((*starts, "label_enc.")) for key in theirs)
    read = TABLE.read(theirs)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_what_is_there_twice_is_written_twice_and_shares_no_memory() -> None:
    theirs = TABLE.write(tiny_head().state_dict())
    for ours, copy in (("bbox_embed", "bbox_embed"), ("dim_embed_3d", "dim_embed")):
        first = theirs[f"{ours}.1.layers.0.weight"]
        second = theirs[f"depthaware_transformer.decoder.{copy}.1.layers.0.weight"]
        assert torch.equal(first, second)
        assert first.data_ptr() != second.data_ptr()


def test_shapes_of_what_has_no_effect() -> None:
    theirs = TABLE.write(tiny_head().state_dict())
    decoder = "depthaware_transformer.decoder."
    shapes = {
        "label_enc.weight": (4, 31),
        f"{decoder}query_scale.layers.1.weight": (32, 32),
        f"{decoder}ref_point_head.layers.1.weight": (2, 32),
        f"{decoder}ref_point_head.layers.1.bias": (2,),
        f"{decoder}layers.1.sa_v_proj.bias": (32,),
    }
    assert {key: tuple(theirs[key].shape) for key in shapes} == shapes
    assert not any(theirs[key].any() for key in shapes)


class Whole(nn.Module):
    """A ResNet and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = create_backbone("timm/resnet18")
        self.head = MonoDETRHead(self.backbone.feature_specs, **TINY)


def test_a_checkpoint_of_theirs_is_loaded() -> None:
    torch.manual_seed(0)
    model, other = Whole(), Whole()
    # Their norms are frozen: they have statistics, and count nothing.
    resnet = {
        key.replace("model.", "backbone.0.body."): tensor
        for key, tensor in model.backbone.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert "backbone.0.body.layer3.0.downsample.1.running_var" in resnet
    state = {**resnet, **TABLE.write(model.head.state_dict())}
    report = load_weights(other, {"epoch": 195, "model_state": state, "best_result": 0.0})
    assert report.naming == "monodetr"
    check_all_loaded(other, model, report)
