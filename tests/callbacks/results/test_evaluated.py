"""The one hook: which batches are handed over, with which places."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks.results.evaluated import Evaluated, EvaluatedBatches
from vision.data import Digits


class Listener(EvaluatedBatches):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def begin(self, trainer: Any, task: Any, dataset: Any) -> None:
        self.events.append(dataset)

    def take(self, trainer: Any, task: Any, evaluated: Evaluated) -> None:
        self.events.append(evaluated)

    @property
    def places(self) -> list[int]:
        return [i for one in self.events if isinstance(one, Evaluated) for i in one.places.tolist()]


@pytest.mark.parametrize("run", ["validate", "test", "predict"])
@pytest.mark.parametrize("indexed", [True, False])
def test_every_sample_is_handed_over_once_with_its_place_and_what_is_predicted(
    run: str, indexed: bool, tmp_path: Path
) -> None:
    task, listener = tiny_task(num_classes=10 if indexed else 8), Listener()
    data = Digits(batch_size=100) if indexed else TinyData(val=10)
    trainer = quiet_trainer(tmp_path, callbacks=[listener])
    getattr(trainer, run)(task, datamodule=data, **({} if run == "predict" else {"verbose": False}))
    dataset, *batches = listener.events
    own = {"validate": "val", "test": "test", "predict": "predict"}[run] + "_dataset"
    assert dataset is getattr(data, own, None)
    assert listener.places == list(range(360 if indexed else 10))
    with torch.inference_mode():
        again = task.eval().predict_step(batches[0].batch, 0)
    for one, other in zip(batches[0].predictions, again, strict=True):
        torch.testing.assert_close(one["scores"], other["scores"])


def test_neither_the_sanity_check_nor_a_filling_batch_is_handed_over(tmp_path: Path) -> None:
    listener = Listener()
    trainer = quiet_trainer(
        tmp_path, callbacks=[listener], num_sanity_val_steps=1, limit_val_batches=1, max_epochs=1
    )
    trainer.fit(tiny_task(), TinyData())
    assert listener.places == [0, 1, 2, 3]
    task = tiny_task()
    batch = {"image": task.normalize(torch.zeros(1, 3, 32, 32)), "repeated": True}
    assert task.validation_step(batch, 0) is None
    other: Any = SimpleNamespace(sanity_checking=False, world_size=1, global_rank=0)
    for outputs in (None, {"predictions": None}, {"predictions": [{}]}):
        listener.on_validation_batch_end(other, task, outputs, batch, 0)
    listener.write_on_batch_end(other, task, [{}], [7], batch, 0, 0)
    assert listener.places == [0, 1, 2, 3]


def test_without_indices_each_process_has_every_nth_sample() -> None:
    listener = Listener()
    trainer: Any = SimpleNamespace(sanity_checking=False, world_size=3, global_rank=1)
    for count in (2, 1):
        outputs = {"predictions": [{}] * count}
        listener.on_validation_batch_end(trainer, tiny_task(), outputs, {}, 0)
    listener.write_on_batch_end(trainer, tiny_task(), [{}, {}], [8, 9], {}, 0, 0)
    assert listener.places == [1, 4, 7, 8, 9]
