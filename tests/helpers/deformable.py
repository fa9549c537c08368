"""Multi-scale deformable attention of the authors' code beside ours."""

import json

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor

from vision.layers.deformable import DeformableAttention, deformable_attention
from vision.weights.names.monodetr import ATTENTION
from vision.weights.names.table import Names

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-9
# Our option by theirs.
OPTIONS = {"n_levels": "num_levels", "n_heads": "num_heads", "n_points": "num_points"}
INPUTS = ("value", "sampling_locations", "attention_weights")


def check_deformable(reference: ParityFile) -> None:
    """The function with its gradients in both precisions, and the module."""
    options = json.loads(reference.metadata["kwargs"])
    sizes = [(height, width) for height, width in options.pop("spatial_shapes")]
    assert reference.tensors["input/spatial_shapes"].tolist() == [list(size) for size in sizes]
    for suffix, dtype, tolerance in (("", torch.float32, TOLERANCE), ("_f64", torch.float64, FINE)):
        _check_function(reference, sizes, suffix, dtype, tolerance)
    width = options.pop("d_model")
    layer = DeformableAttention(width, **{OPTIONS[key]: value for key, value in options.items()})
    _check_layer(reference, layer, sizes)


def _check_function(
    reference: ParityFile,
    sizes: list[tuple[int, int]],
    suffix: str,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    inputs = {key: value for key, value in reference.folder("input").items() if key in INPUTS}
    leaves = {key: value.to(dtype, copy=True).requires_grad_() for key, value in inputs.items()}
    value, locations, weights = (leaves[key] for key in INPUTS)
    output = deformable_attention(value, sizes, locations, weights)
    check_tensor(output, reference.tensors["output" + suffix], tolerance, "output" + suffix)
    output.backward(reference.tensors["input/grad_output"].to(dtype))
    expected = reference.folder("grad" + suffix)
    assert expected.keys() == leaves.keys()
    for key, gradient in expected.items():
        check_tensor(leaves[key].grad, gradient, tolerance, f"grad{suffix}/{key}")


@torch.no_grad()
def _check_layer(
    reference: ParityFile, layer: DeformableAttention, sizes: list[tuple[int, int]]
) -> None:
    layer.load_state_dict(Names(ATTENTION).read(reference.folder("module/state_dict")))
    inputs = reference.folder("module/input")

    def run(references: str, padding: Tensor | None = None) -> Tensor:
        return layer(inputs["query"], inputs[references], inputs["src"], sizes, padding)

    outputs = {
        "out_ref2": run("ref2"),
        "out_ref2_masked": run("ref2", inputs["padding_mask"]),
        # The file does not say so, but it agrees (to 2e-7) with the padding alone.
        "out_ref6": run("ref6", inputs["padding_mask"]),
    }
    for key, output in outputs.items():
        check_tensor(output, reference.tensors[f"module/{key}"], TOLERANCE, key)
