"""Whether an evaluation skips batches, and where its results go."""

from pathlib import Path

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer

from vision.callbacks.results.part_of_set import is_part, results_folder


class See(Callback):
    def __init__(self) -> None:
        self.found: list[bool] = []
        self.folder = Path()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found.append(is_part(trainer))
        self.folder = results_folder(trainer, Path("run/validation"))

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found.append(is_part(trainer))


@pytest.mark.parametrize(
    ("limit", "part"), [(1.0, False), (0.5, True), (1, True), (2, False), (100, False)]
)
def test_a_limit_below_the_number_of_batches_makes_a_part(
    tmp_path: Path, limit: float, part: bool
) -> None:
    see, data = See(), TinyData(val=8)
    batches = len(data.val_dataloader())
    assert batches == 2
    options = {"limit_val_batches": limit, "limit_test_batches": limit}
    trainer = quiet_trainer(tmp_path, callbacks=[see], max_epochs=1, **options)
    trainer.validate(tiny_task(), data, verbose=False)
    assert see.found == [part]
    assert see.folder == Path("run/validation_part" if part else "run/validation")
    trainer.fit(tiny_task(), data)
    assert see.found == [part, part]
