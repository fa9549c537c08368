from helpers.refusals import refuses
from helpers.tiny_task import tiny_task

from vision.errors import ConfigError
from vision.export.classification import ClassificationGraph
from vision.export.whole import whole_model


def test_a_task_becomes_the_program_of_its_kind() -> None:
    assert isinstance(whole_model(tiny_task()), ClassificationGraph)


def test_another_kind_is_refused_and_its_backbone_is_not() -> None:
    class Pose:
        kind = "pose"

    with refuses(ConfigError, "'pose'", "detection", "--backbone"):
        whole_model(Pose())
