"""Which validations are written about."""

from pathlib import Path

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.best_validation import BestValidation


class Recorder(BestValidation):
    """Notes the epochs that it is to write about."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs.append(trainer.current_epoch)


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [0.2, 0.1, 0.3, 0.3], [0, 2]),
        ("min", [0.2, 0.1, 0.3, 0.1], [0, 1]),
        ("min", [-1.0, 0.3, float("nan"), 0.1], [1, 3]),  # nothing was measured in two
    ],
)
def test_in_fit_those_that_are_better_than_all_before(
    tmp_path: Path, mode: str, values: list[float], best: list[int]
) -> None:
    task, recorder = tiny_task(), Recorder()
    type(task).monitor, monitor = ("val/score", mode), type(task).monitor
    task.on_validation_epoch_end = lambda: task.log("val/score", values[task.current_epoch])
    try:
        options = {"callbacks": [recorder], "num_sanity_val_steps": 1}
        quiet_trainer(tmp_path, max_epochs=4, **options).fit(task, TinyData())
    finally:
        type(task).monitor = monitor
    assert recorder.epochs == best
    again = Recorder()
    again.load_state_dict(recorder.state_dict())
    assert again._best == pytest.approx(values[best[-1]])


def test_validate_is_always_written(tmp_path: Path) -> None:
    task, recorder = tiny_task(), Recorder()
    trainer = quiet_trainer(tmp_path, callbacks=[recorder])
    for _ in range(2):
        trainer.validate(task, TinyData(), verbose=False)
    assert recorder.epochs == [0, 0]
