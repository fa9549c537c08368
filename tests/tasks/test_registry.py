"""The tasks that a file may name."""

import pytest

import vision.tasks
from vision.errors import CheckpointError
from vision.kinds import TASKS
from vision.tasks import BaseTask, Classification, ClassTask, ImageTask
from vision.tasks.registry import find_task


def test_every_task_of_the_suite_is_found_by_the_name_of_its_class() -> None:
    tasks = [getattr(vision.tasks, name) for name in vision.tasks.__all__]
    ours = {one for one in tasks if isinstance(one, type) and issubclass(one, BaseTask)}
    assert {find_task(name) for name in TASKS} == ours - {BaseTask, ClassTask, ImageTask}
    for name in TASKS:
        assert find_task(name).__name__ == name


def test_a_class_of_the_callers_own_comes_first() -> None:
    class Own(Classification):
        pass

    assert find_task("Own", {"Own": Own}) is Own
    assert find_task("Classification", {"Classification": Own}) is Own
    assert find_task("Classification", {"Own": Own}) is Classification


@pytest.mark.parametrize("name", ["Clasification", "os.system", "vision.tasks.Classification", ""])
def test_others_are_refused_and_never_imported(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"'{name}', which this version.*task=CLASS") as error:
        find_task(name)
    assert ("Did you mean 'Classification'" in str(error.value)) == name.endswith("sification")
