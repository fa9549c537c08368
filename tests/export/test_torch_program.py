from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import random_images, tiny_task
from helpers.weighed_graph import WeighedGraph

from vision.errors import ConfigError
from vision.export.graph import Graph, GraphInput
from vision.export.torch_program import export_program, open_program
from vision.export.whole import whole_model


@torch.no_grad()
def test_a_classifier_takes_any_batch_and_size(tmp_path: Path) -> None:
    graph = whole_model(tiny_task(backbone_options={"dims": [8, 8], "depths": [1, 1]}))
    path = export_program(graph, random_images(2, side=64), tmp_path / "model.pt2")
    images = random_images(3, side=91)[:, :, :75]
    torch.testing.assert_close(open_program(path)(images)[0], graph(images)[0])


@torch.no_grad()
def test_fixed_sizes_refuse_others(tmp_path: Path) -> None:
    graph = whole_model(tiny_task(backbone_options={"dims": [8, 8], "depths": [1, 1]}))
    images = random_images(1, side=64)
    program = open_program(export_program(graph, images, tmp_path / "model.pt2", dynamic=()))
    torch.testing.assert_close(program(images)[0], graph(images)[0])
    with pytest.raises(ConfigError, match="does not run on images"):
        program(random_images(2, side=64))


@torch.no_grad()
def test_inputs_beside_the_images_are_those_of_the_program(tmp_path: Path) -> None:
    graph = WeighedGraph()
    path = export_program(graph, torch.zeros(2, 3, 16, 32), tmp_path / "model.pt2")
    images, weights = random_images(3, side=24).float(), torch.tensor([[0.0, 1], [0, 2], [0, 3]])
    (found,) = open_program(path)(images, weights)
    torch.testing.assert_close(found, graph(images, weights)[0])


def test_what_torch_cannot_export_says_why(tmp_path: Path) -> None:
    class Sized(Graph):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (images if len(images) > 3 else -images,)

    spec = GraphInput(torch.float32, 1, False, (0.0,), (1.0,))
    graph = Sized(axes={"x": ("batch",)}, first=spec, fixed={})
    images, path = torch.zeros(2, 1, 4, 4), tmp_path / "model.pt2"
    with refuses(ConfigError, "torch.export of torch"):
        export_program(graph, images, path, dynamic=("batch",))
