"""FlatFormer of the authors' code beside ours: options, weights, orders, layers, map."""

import json
from typing import Any

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor

from vision import create_backbone, load_weights
from vision.backbones.flatformer import ORDERS, FlatFormer
from vision.heads.detection3d.pillars import pillar_map
from vision.ops.pillar_orders import cut_groups, window_order
from vision.weights.names.published import published_options
from vision.weights.names.write import to_naming

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9


def build_flatformer(options: dict[str, Any]) -> FlatFormer:
    """Our encoder for the options of theirs."""
    model: Any = create_backbone("flatformer", **published_options("flatformer", options).options)
    return model


@torch.no_grad()
def check_flatformer(reference: ParityFile) -> None:
    """Every tensor of a file, and its weights written again."""
    options = json.loads(reference.metadata["kwargs"])
    model = build_flatformer(options).eval()
    theirs = reference.folder("state_dict")
    report = load_weights(model, theirs)
    assert [*report.missing, *report.unexpected, *report.resized] == []
    written = to_naming(model, "official")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], theirs[key]) for key in theirs)
    features = reference.tensors["input/features"]
    coords = reference.tensors["input/coords"].long()
    _check_groups(model, reference, coords)
    outputs = _check_layers(model, reference, features, coords)
    shape = (options["output_shape"][0], options["output_shape"][1])
    batch = int(coords[:, 0].max()) + 1
    bird = pillar_map(outputs, coords, batch, shape)
    check_tensor(bird, reference.tensors["bev"], TOLERANCE, "bev")
    fine = [key for key in reference.tensors if key.endswith("_f64")]
    assert fine == [f"block/{len(model.blocks) - 1}_f64"]
    found = model.double()(features.double(), coords)
    check_tensor(found, reference.tensors[fine[0]], FINE, fine[0])


def _check_groups(model: FlatFormer, reference: ParityFile, coords: Tensor) -> None:
    mapping = {key: value.long() for key, value in reference.folder("mapping").items()}
    for axis, shifted in ORDERS:
        order = window_order(coords, model.window, axis=axis, shifted=shifted)
        name = f"{axis}_shift" if shifted else axis
        assert torch.equal(order, mapping[name]), name
    counts = torch.bincount(coords[:, 0])
    groups = cut_groups(counts, len(coords), model.group_size, copies=True)
    assert torch.equal(groups.rank_of.flatten(), mapping["flat2win"])
    assert torch.equal(groups.place_of, mapping["win2flat"])
    assert groups.seen is None
    expected = reference.tensors["pos_embed"]
    check_tensor(model.positions(coords), expected, TOLERANCE, "pos_embed")


def _check_layers(
    model: FlatFormer, reference: ParityFile, features: Tensor, coords: Tensor
) -> Tensor:
    """Compare every layer and block; the features of the pillars in the end."""
    kept: dict[str, Tensor] = {}
    handles = []
    for i, block in enumerate(model.blocks):
        for name, part in [(f"block/{i}", block)] + [
            (f"layer/{i}/{j}", layer) for j, layer in enumerate(block.layers)
        ]:
            keep = _keeper(kept, name)
            handles.append(part.register_forward_hook(keep))
    outputs = model(features, coords.int())
    for handle in handles:
        handle.remove()
    for name, found in kept.items():
        check_tensor(found, reference.tensors[name], TOLERANCE, name)
    return outputs


def _keeper(kept: dict[str, Tensor], name: str) -> Any:
    def keep(module: Any, inputs: Any, output: Tensor) -> None:
        # A layer computes some groups at a time.
        before = [kept[name]] if name in kept else []
        kept[name] = torch.cat([*before, output.flatten(0, -2)])

    return keep
