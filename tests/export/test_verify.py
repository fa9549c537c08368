import pytest
import torch
from helpers.tiny_task import tiny_task

from vision.export.verify import verified_shapes, verify, worst
from vision.export.whole import whole_model


def test_a_wrong_program_is_caught() -> None:
    graph = whole_model(tiny_task())

    def run(images: torch.Tensor, error: float) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return {"scores": graph(images)[0] + error * (len(images) > 1)}

    shapes = verified_shapes((32, 32), 2, ("batch", "size"))
    assert [batch for batch, _ in shapes] == [2, 3, 1]
    assert shapes[1][1] != shapes[0][1]
    good = verify(lambda x: run(x, 0.0), graph, shapes=shapes, tolerance=1e-4)
    assert [case.inputs for case in good] == ["random", "real"] * 3
    assert all(case.passed for case in good)
    bad = verify(lambda x: run(x, 0.01), graph, shapes=shapes, tolerance=1e-4)
    assert [case.passed for case in bad] == [False] * 4 + [True] * 2
    assert worst(bad)[0].absolute == pytest.approx(0.01, rel=1e-3)
