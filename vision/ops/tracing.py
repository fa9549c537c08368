"""Whether a model is run, or traced into a program for other sizes than the example's."""

import torch


def is_traced() -> bool:
    """Whether sizes are only examples: while compiling, exporting, or tracing into ONNX.

    Constants that depend on a size are then computed in the graph, and no branch is taken by a
    size or by the values of a tensor.
    """
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()
