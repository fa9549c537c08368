"""Columns of a task: its own attributes before the row of its kind, and one message for absence."""

import json
from dataclasses import replace

import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.kinds import KINDS
from vision.task_parts import find_part, find_parts, has_part, read_column, resolve_part


class Depth:
    kind = "depth"
    predictor = "json:JSONDecoder"
    export_graph = dict
    result_callbacks = "json:JSONEncoder"


class Finder:
    kind = "detection"
    recorder = "json:JSONDecoder"


def test_a_class_attribute_is_text_or_the_object_itself() -> None:
    assert find_part(Depth, "predictor") is find_part(Depth(), "predictor") is json.JSONDecoder
    assert find_part(Depth, "export_graph") is dict
    assert find_parts(Depth, "result_callbacks") == [json.JSONEncoder]
    assert find_parts(Depth, "fit_callbacks") == []


def test_it_comes_before_the_row_of_its_kind() -> None:
    assert find_part(Finder, "recorder") is json.JSONDecoder
    assert read_column(Finder, "design") == "detector"
    assert read_column("detection", "design") == "detector"


def test_what_is_of_no_kind_has_the_defaults() -> None:
    assert read_column(object, "min_classes") == 1
    assert not has_part(object, "predictor")
    assert has_part(object, "prediction_writer")


@pytest.mark.parametrize(
    ("column", "noun", "instead"),
    [
        ("report", ("report", "'flow'"), "vision validate"),
        ("export_graph", ("export", "'flow'"), "--backbone"),
        ("predictor", ("prediction", "'flow'"), "vision predict --config"),
    ],
)
def test_an_absent_column_is_said_in_one_way(
    column: str, noun: tuple[str, ...], instead: str
) -> None:
    class Bare:
        kind = "flow"

    *most, last = [name for name, row in KINDS.items() if getattr(row, column) is not None]
    for task in (Bare, Bare(), "flow"):
        with refuses(ConfigError, *noun) as error:
            find_part(task, column)
        assert ("multilabel" in most) == (column != "report")
        assert f"for {', '.join(most)} and {last}." in str(error.value)
        assert instead in str(error.value)
        assert (f"class attribute {column} = " in str(error.value)) == (task != "flow")


def test_a_misspelt_kind_gets_the_nearest() -> None:
    with refuses(ConfigError, "'detektion'", "'detection'"):
        find_part("detektion", "report")


def test_a_task_without_a_kind_goes_by_its_class() -> None:
    class Height:
        pass

    with refuses(ConfigError, "report", "'height'"):
        find_part(Height, "report")


@pytest.mark.parametrize("path", ["json", "json:", ":dumps", "json:nothing", "no_such_package:X"])
def test_paths_that_lead_nowhere_are_named(path: str) -> None:
    with pytest.raises(ConfigError, match=f"'{path}'.*package.module:Class"):
        resolve_part(path)


class Scenes:
    kind = "detection3d"

    def __init__(self, reads: str) -> None:
        self.reads = reads


def test_a_column_may_depend_on_what_the_task_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    of_points = {"predictor": "json:JSONDecoder", "int8_score": None, "predict_needs": ""}
    row = replace(KINDS["detection3d"], by_input={"points": of_points})
    monkeypatch.setitem(KINDS, "detection3d", row)
    assert find_part(Scenes("points"), "predictor") is json.JSONDecoder
    # What is not listed, and what reads the usual input, has the kind's.
    assert read_column(Scenes("points"), "report") == row.report
    for usual in (Scenes("image"), Scenes, "detection3d"):
        assert read_column(usual, "predictor") == row.predictor
        assert read_column(usual, "predictor", reads="points") == "json:JSONDecoder"
    assert not has_part("detection3d", "int8_score", reads="points")
    with refuses(ConfigError, "int8", "'detection3d' of points", "Export in float") as error:
        find_part(Scenes("points"), "int8_score")
    assert "detection3d." not in str(error.value).partition("There is one for")[2]
