"""The picture at the end of training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from vision.callbacks import ClassificationPictures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be drawn: (examples, counts, names) of each picture."""
    calls: list[Any] = []

    def record(*arguments: Any) -> None:
        calls.append(arguments)

    monkeypatch.setattr(
        "vision.callbacks.results.classification_pictures.draw_classification", record
    )
    monkeypatch.setattr(
        "vision.callbacks.results.classification_pictures.save_png", lambda figure, path: None
    )
    return calls


def test_counts_are_those_of_the_best_checkpoint(tmp_path: Path, drawn: list[Any]) -> None:
    keeper = ModelCheckpoint(dirpath=tmp_path, monitor="val/loss", mode="min")
    pictures = ClassificationPictures(tmp_path, examples=6)
    task, data = tiny_task(lr=3e-2, ema_decay=0.5), TinyData(train=16, val=10)
    trainer = quiet_trainer(
        tmp_path, callbacks=[keeper, pictures], enable_checkpointing=True, max_epochs=3
    )
    trainer.fit(task, data)
    after = {key: tensor.clone() for key, tensor in task.state_dict().items()}
    [(shown, counts, names)] = drawn

    # The same from the checkpoint, by another way: load_from_checkpoint takes averaged weights too.
    best = type(task).load_from_checkpoint(keeper.best_model_path, weights_only=True).eval()
    expected = torch.zeros(8, 8, dtype=torch.int64)
    with torch.no_grad():
        predicted = best(data.val.images).argmax(dim=1)
    for label, guess in zip(data.val.labels.tolist(), predicted.tolist(), strict=True):
        expected[label, guess] += 1
    torch.testing.assert_close(counts, expected)
    assert names == [str(i) for i in range(8)]
    assert 0 < len(shown) <= 6
    wrong = [image.predicted != image.label for image in shown]
    assert wrong == sorted(wrong, reverse=True)

    # The task has its own weights and mode again.
    for key, tensor in task.state_dict().items():
        torch.testing.assert_close(tensor, after[key], rtol=0, atol=0)


def test_padding_is_not_shown(tmp_path: Path, drawn: list[Any]) -> None:
    class Padded(TinyData):
        def val_dataloader(self) -> DataLoader:
            image = torch.randint(0, 255, (2, 3, 48, 40), dtype=torch.uint8)
            size = torch.tensor([[48, 40], [33, 36]])
            batch = {"image": image, "size": size, "label": torch.tensor([0, 1])}
            return DataLoader([batch], batch_size=None)

    trainer = quiet_trainer(tmp_path, callbacks=[ClassificationPictures(tmp_path)], max_epochs=1)
    trainer.fit(tiny_task(), Padded())
    [(shown, counts, _)] = drawn
    assert {tuple(image.image.shape) for image in shown} <= {(3, 48, 40), (3, 33, 36)}
    assert int(counts.sum()) == 2


def test_a_file_is_written_and_nothing_without_validation(tmp_path: Path) -> None:
    for name, options in (("with", {}), ("without", {"limit_val_batches": 0})):
        folder = tmp_path / name
        trainer = quiet_trainer(
            tmp_path, callbacks=[ClassificationPictures(folder)], max_epochs=1, **options
        )
        trainer.fit(tiny_task(), TinyData())
    assert (tmp_path / "with" / "predictions.png").stat().st_size > 10_000
    assert not (tmp_path / "without").exists()
