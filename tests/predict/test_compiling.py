"""Predictions of compiled models: the results of the plain ones, and what is refused."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from helpers.graphs import CountingCompiler
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures

from vision.errors import ConfigError
from vision.predict.compiling import compile_for_prediction
from vision.predict.options import Compiled

VALUES = {"classification": "scores", "depth": "depth"}


# A task that takes the vector of the backbone, and one that takes its maps.
@pytest.mark.parametrize(("kind", "how"), [("classification", "blocks"), ("depth", "whole")])
def test_results_are_those_of_the_plain_model(
    kind: str, how: Compiled, compiler: CountingCompiler, tmp_path: Path
) -> None:
    # Images of other sizes are other batches of depth.
    paths = write_pictures(tmp_path, ("a.png", "b.png", "c.png"))
    plain, compiled = tiny_model(kind), tiny_model(kind)
    assert compiled.compile(how) is compiled
    expected = list(plain.predict(paths))
    assert not compiler.graphs
    for found, one in zip(compiled.predict(paths), expected, strict=True):
        name = VALUES[kind]
        torch.testing.assert_close(getattr(found, name), getattr(one, name))
    assert compiler.graphs


def test_cuda_graphs_are_of_one_size_each(compiler: CountingCompiler) -> None:
    task = tiny_model("classification").task
    compile_for_prediction(task, "cuda-graphs", torch.device("cuda"))
    task.backbone(torch.zeros(1, 3, 32, 32))
    task.backbone(torch.zeros(2, 3, 32, 32))
    assert compiler.settings == [{"mode": "reduce-overhead", "dynamic": False}] * 2
    shapes = [
        node.meta["example_value"].shape[0]
        for graph in compiler.graphs
        for node in graph.graph.nodes
        if node.op == "placeholder" and node.meta["example_value"].shape[1:] == (3, 32, 32)
    ]
    assert shapes == [1, 2]


@pytest.mark.gpu
def test_cuda_graphs_predict_the_same(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, ("a.png", "b.png", "c.png"))
    plain = tiny_model("classification").to("cuda")
    compiled = tiny_model("classification").to("cuda").compile("cuda-graphs")
    # Twice, so that recorded graphs are replayed.
    for _ in range(2):
        found = compiled.predict(paths, batch_size=1)
        for one, expected in zip(found, plain.predict(paths, batch_size=1), strict=True):
            torch.testing.assert_close(one.scores, expected.scores, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_compiled_is_refused(
    compiler: CountingCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("classification")
    with refuses(ConfigError, "compile='all'", *map(repr, get_args(Compiled))):
        model.compile("all")
    with refuses(ConfigError, "'cuda-graphs'", "GPU", "'cpu'", "'whole'"):
        model.compile("cuda-graphs")
    with refuses(ConfigError, "PointSegmentation", "windows", "batch to batch"):
        tiny_model("points").compile()
    with monkeypatch.context() as patch:
        patch.setattr(type(model.task.backbone), "runs_blocks", False)
        with refuses(ConfigError, "'blocks'", "compile='whole'"):
            model.compile("blocks")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda name: None)
        with refuses(ConfigError, "C++ compiler", "g++"):
            model.compile()
    # What was refused was not done.
    model.compile("blocks")
    with refuses(ConfigError, "compiled already", "'blocks'"):
        model.compile()
    assert not compiler.graphs
