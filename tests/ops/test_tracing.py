import warnings
from pathlib import Path

import torch

from vision.ops.tracing import is_traced


class Asks(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if is_traced() else x


def test_programs_are_traced_and_calls_are_not() -> None:
    zero = torch.zeros(1)
    assert Asks()(zero).item() == 0
    assert torch.export.export(Asks(), (zero,)).module()(zero).item() == 1
    assert torch.compile(Asks(), backend="eager")(zero).item() == 1


def test_tracing_into_onnx_counts(tmp_path: Path) -> None:
    from vision.export.onnx import run_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Asks(), (torch.zeros(1),), str(tmp_path / "m.onnx"), dynamo=False)
    (value,) = run_onnx(tmp_path / "m.onnx", torch.zeros(1)).values()
    assert value.item() == 1
