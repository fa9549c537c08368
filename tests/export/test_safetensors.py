from pathlib import Path
from typing import Any, cast

import torch
from helpers.tiny_models import TINY
from helpers.tiny_task import random_images, tiny_task

import vision
from vision.export.backbone import BackboneGraph
from vision.export.safetensors import describe_backbone, export_tensors, reload_tensors
from vision.export.whole import whole_model


@torch.no_grad()
def test_a_task_is_loaded_again(tmp_path: Path) -> None:
    task, images = tiny_task(class_names=list("abcdefgh")).eval(), random_images(2)
    description = cast(dict[str, Any], task.describe())
    path = export_tensors(task, description, tmp_path / "model.safetensors")
    model = vision.load(path)
    assert model.class_names == tuple("abcdefgh")
    torch.testing.assert_close(model(images), task(images))
    graph = whole_model(task)
    again = reload_tensors(graph, task, path)
    assert torch.equal(again(images)[0], graph(images)[0])


@torch.no_grad()
def test_a_reloaded_program_has_the_tensors_of_the_file(tmp_path: Path) -> None:
    task, images = tiny_task().eval(), random_images(2)
    path = export_tensors(task, {}, tmp_path / "m.safetensors", dtype=torch.float16)
    graph = whole_model(task)
    before = graph(images)[0]
    for parameter in task.parameters():
        parameter.zero_()
    again = reload_tensors(graph, task, path)(images)[0]
    assert not torch.equal(again, graph(images)[0])
    torch.testing.assert_close(again, before, atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_backbone_is_loaded_again(tmp_path: Path) -> None:
    name, options = TINY["convnext"]
    backbone = vision.create_backbone(name, **options).eval()
    about = describe_backbone(name, options, {})
    path = export_tensors(backbone, about, tmp_path / "backbone.safetensors")
    other = vision.create_backbone(name, **options).eval()
    vision.load_weights(other, path)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(BackboneGraph(other)(images)[3], BackboneGraph(backbone)(images)[3])
