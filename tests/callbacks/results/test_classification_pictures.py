"""The picture at the end of training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from vision.callbacks import ClassificationPictures
from vision.callbacks.results.classification_pictures import Classified, choose_images
from vision.data.loading.collate import collate_images


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
    keeper = ModelCheckpoint(dirpath=tmp_path, monitor="val/top1", mode="max")
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


def test_padding_is_not_shown_and_the_model_runs_once_per_image(
    tmp_path: Path, drawn: list[Any]
) -> None:
    class Unlike(TinyData):
        def val_dataloader(self) -> DataLoader:
            samples = [
                {"image": torch.full((3, 48, side), side, dtype=torch.uint8), "label": label}
                for side, label in ((40, torch.tensor(0)), (33, torch.tensor(1)))
            ]
            return DataLoader(samples, batch_size=2, collate_fn=collate_images)

    task, seen = tiny_task(), []
    task.head.register_forward_hook(lambda module, given, _: seen.append(module.training))
    trainer = quiet_trainer(tmp_path, callbacks=[ClassificationPictures(tmp_path)], max_epochs=2)
    trainer.fit(task, Unlike())
    [(shown, counts, _)] = drawn
    sizes = {(3, 48, 40): 40, (3, 48, 33): 33}
    assert {tuple(image.image.shape) for image in shown} == {*sizes}
    assert all((image.image == sizes[tuple(image.image.shape)]).all() for image in shown)
    assert int(counts.sum()) == 2
    assert seen.count(False) == 2  # the validations of two epochs


def test_a_resumed_training_draws_the_best_of_before(tmp_path: Path, drawn: list[Any]) -> None:
    first = ClassificationPictures(tmp_path)
    quiet_trainer(tmp_path, callbacks=[first], max_epochs=1).fit(tiny_task(), TinyData())
    state = first.state_dict()
    torch.save(state, tmp_path / "state.pt")
    again = ClassificationPictures(tmp_path)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    again._best = 2.0  # more than all that comes
    trainer = quiet_trainer(tmp_path, callbacks=[again], max_epochs=1)
    trainer.fit(tiny_task(lr=1e-6, weight_decay=0.0), TinyData())
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert [image.score for image in drawn[0][0]] == [image.score for image in drawn[1][0]]


def test_the_surest_mistakes_come_first_then_one_of_each_class() -> None:
    images = [Classified(i, i % 3, 0, i / 10) for i in range(9)]
    chosen = choose_images(images, 3, 6)
    assert [image.place for image in chosen] == [8, 7, 5, 0, 3, 6]
    assert choose_images([], 3, 6) == []


def test_a_file_is_written_and_nothing_without_validation(tmp_path: Path) -> None:
    for name, options in (("with", {}), ("without", {"limit_val_batches": 0})):
        folder = tmp_path / name
        trainer = quiet_trainer(
            tmp_path, callbacks=[ClassificationPictures(folder)], max_epochs=1, **options
        )
        trainer.fit(tiny_task(), TinyData())
    assert (tmp_path / "with" / "predictions.png").stat().st_size > 10_000
    assert not (tmp_path / "without").exists()
