from typing import Any

import pytest

from vision.draw.loss_note import loss_note
from vision.tasks import Classification


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"label_smoothing": 0.1}, "label smoothing (0.1),"),
        ({"label_smoothing": 0.0, "mix": {"mixup": 0.8, "cutmix": 0.0}}, "mixup,"),
        (
            {"label_smoothing": 0.1, "mix": {"mixup": 0.8, "cutmix": 1.0}},
            "label smoothing (0.1), mixup and cutmix,",
        ),
    ],
)
def test_what_only_training_counts_is_named(arguments: dict[str, Any], named: str) -> None:
    assert f"training loss includes {named}" in loss_note(arguments)


def test_equal_losses_need_no_word() -> None:
    assert loss_note({}) == loss_note({"label_smoothing": 0, "mix": None}) == ""


def test_it_reads_the_arguments_of_a_task() -> None:
    task = Classification(
        "convnext", 3, backbone_options={"dims": [8] * 4, "depths": [1] * 4}, label_smoothing=0.2
    )
    assert "(0.2)" in loss_note(task.hparams)
