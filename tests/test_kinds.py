"""Every import path of every kind leads to what its column stands for."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule

from vision.callbacks.results.evaluation_records import Recorder
from vision.callbacks.results.prediction_writer import PredictionWriter
from vision.cli.config_files import find_config
from vision.data.shards.forms import Form
from vision.export.graph import Graph
from vision.export.score import Score
from vision.kinds import DESIGNS, KINDS, TASKS, Hub, Kind, Template
from vision.predict.demo_view import View
from vision.predict.predictor import Predictor
from vision.report.task_report import TaskReport
from vision.task_parts import find_part, find_parts, read_column
from vision.tasks import BaseTask


def takes(count: int) -> Callable[[Any], bool]:
    """Whether an object can be called with so many positional arguments."""

    def check(found: Any) -> bool:
        inspect.signature(found).bind(*range(count))
        return callable(found)

    return check


def a(base: type, *, arguments: int) -> Callable[[Any], bool]:
    """Whether an object is a concrete subclass that is built from so many arguments."""
    return lambda found: (
        issubclass(found, base) and not inspect.isabstract(found) and takes(arguments)(found)
    )


def is_recorder(found: Any) -> bool:
    methods = [name for name, _ in inspect.getmembers(Recorder, inspect.isfunction)]
    public = [name for name in methods if not name.startswith("_")]
    assert public, "the protocol has methods"
    return all(
        inspect.signature(getattr(found, name)).parameters.keys()
        == inspect.signature(getattr(Recorder, name)).parameters.keys()
        for name in public
    )


def is_design(found: Any) -> bool:
    return all(callable(build) for row in found.values() for build in row.builders.values())


PROTOCOLS: dict[str, Callable[[Any], bool]] = {
    "task": a(BaseTask, arguments=0),
    "designs": is_design,
    "train_cells": takes(1),
    "fit_callbacks": a(Callback, arguments=1),
    "result_callbacks": a(Callback, arguments=1),
    "prediction_writer": a(PredictionWriter, arguments=1),
    "predictor": a(Predictor, arguments=1),
    "demo_view": a(View, arguments=1),
    "export_graph": a(Graph, arguments=1),
    "int8_score": takes(2),
    "recorder": is_recorder,
    "shard_form": a(Form, arguments=0),
    "report": lambda found: isinstance(found, TaskReport),
}
PLAIN: dict[str, Callable[[Any], bool]] = {
    "design": lambda value: isinstance(value, str),
    "min_classes": lambda value: value in (1, 2),
    "predict_needs": lambda value: not value or bool(re.fullmatch(r"--[a-z]+ [A-Z]+", value)),
    "hub": lambda value: isinstance(value, Hub) and bool(value.metrics),
    "template": lambda value: isinstance(value, Template) and find_config(value.config).is_file(),
    "by_input": lambda value: all(
        {*columns} <= {*PROTOCOLS, *PLAIN} - {"task", "by_input"} for columns in value.values()
    ),
}


# Columns that a kind lacks.
WITHOUT_DESIGNS = {"design", "designs"}
ABSENT = {
    "classification": WITHOUT_DESIGNS,
    "multilabel": WITHOUT_DESIGNS
    | {"demo_view", "int8_score", "recorder", "report", "shard_form", "template"},
    # Those of the parts around the task are filled in as they come.
    "panoptic": {"shard_form"},
    "depth": {"shard_form"},
    "normals": {"shard_form"},
    "detection3d": {"shard_form"},
    "volumes": {"shard_form"},
    # Programs in ONNX cannot hold it, and so there is none of int8.
    "points": {"shard_form", "int8_score"},
}


def test_every_column_is_checked() -> None:
    assert {field.name for field in fields(Kind)} == {*PROTOCOLS, *PLAIN}


@pytest.mark.parametrize("column", [*PROTOCOLS, *PLAIN])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_holds_what_it_stands_for(kind: str, column: str) -> None:
    value = read_column(kind, column)
    if value is None:
        assert column in ABSENT.get(kind, ()), f"{kind} has no {column}"
    elif column in PLAIN:
        assert PLAIN[column](value)
    elif isinstance(value, tuple):
        assert all(PROTOCOLS[column](found) for found in find_parts(kind, column))
    else:
        assert PROTOCOLS[column](find_part(kind, column))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_its_task_and_its_design_agree(kind: str) -> None:
    task = find_part(kind, "task")
    assert task.kind == kind
    assert TASKS[task.__name__] == KINDS[kind].task
    design = KINDS[kind].design
    known = {*inspect.signature(task).parameters}
    assert {name for name in DESIGNS if name in known} == ({design} if design else set())


def test_a_score_is_made_from_a_task_and_its_data() -> None:
    made = find_part("classification", "int8_score")(None, None)
    assert isinstance(made, Score)
    assert made.metric == "top1"


def test_no_column_is_an_attribute_of_every_module() -> None:
    taken = {field.name for field in fields(Kind)} & {*dir(LightningModule), *dir(BaseTask)}
    assert not taken
