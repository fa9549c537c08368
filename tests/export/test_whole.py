from types import SimpleNamespace

import pytest
from helpers.tiny_task import tiny_task

from vision.errors import ConfigError
from vision.export.classification import ClassificationGraph
from vision.export.whole import GRAPHS, KINDS, whole_model
from vision.tasks.registry import TASKS, find_task


def test_every_task_has_a_program() -> None:
    assert {find_task(name).kind for name in TASKS} == set(KINDS)
    assert set(KINDS.values()) == set(GRAPHS)
    assert isinstance(whole_model(tiny_task()), ClassificationGraph)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="'depth' cannot be exported whole"):
        whole_model(SimpleNamespace(kind="depth"))
