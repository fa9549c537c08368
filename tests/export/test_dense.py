"""Depth and normals as programs: equal to the task, for any size where the head allows it."""

from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_dense import SMALL, tiny_dense
from helpers.tiny_models import TINY
from helpers.tiny_task import random_images

from vision.errors import ConfigError
from vision.export.run import ExportOptions, export
from vision.export.whole import whole_model


@pytest.mark.parametrize(("key", "decoder"), [("depth", "dpt"), ("normals", "polymax")])
@torch.no_grad()
def test_a_graph_gives_what_the_task_gives(key: str, decoder: str) -> None:
    task, images = tiny_dense(key, decoder).eval(), random_images(2, side=72)[:, :, :50, :71]
    graph = whole_model(task)
    (found,) = graph(images)
    expected = task(images)[key]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    shape = {"depth": ("batch", "height", "width"), "normals": ("batch", 3, "height", "width")}
    assert graph.axes == {key: shape[key]}
    assert graph.kind == key
    assert graph.fixed.keys() == ({"size"} if decoder == "polymax" else set())
    with refuses(ConfigError, "no logits", key):
        whole_model(task, logits=True)


def test_a_file_takes_images_of_any_size(tmp_path: Path) -> None:
    task = tiny_dense().eval()
    options = ExportOptions(format="onnx", size=(64, 64))
    made = export(whole_model(task), task, task.describe(), tmp_path / "a.onnx", options)
    assert made.passed, made.table()
    assert made.dynamic == ("batch", "size")


def test_a_program_of_clusters_takes_any_batch(tmp_path: Path) -> None:
    # Few operators, since torch.export takes long.
    head = {**SMALL["polymax"], "depths": [1, 0, 0]}
    backbone = {**TINY["convnext"][1], "depths": [1, 1, 1, 1]}
    task = tiny_dense("normals", "polymax", backbone_options=backbone, head_options=head).eval()
    options = ExportOptions(format="torch-export", size=(64, 64))
    made = export(whole_model(task), task, task.describe(), tmp_path / "a.pt2", options)
    assert made.passed, made.table()
    assert made.dynamic == ("batch",)
