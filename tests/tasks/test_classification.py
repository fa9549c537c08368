"""Classification: learning, metrics and predictions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, random_images, random_labels, tiny_task
from sklearn.metrics import precision_recall_fscore_support
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_accuracy

from vision.errors import ConfigError
from vision.optim.settings import OptimSettings
from vision.tasks import Classification

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")


def logits_of(task: Classification, count: int) -> Tensor:
    with torch.inference_mode():
        return task.eval()(random_images(count))


def test_one_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    task = tiny_task(lr=3e-3, label_smoothing=0.0, backbone_options={"layer_scale": 1.0})
    trainer = quiet_trainer(tmp_path, max_epochs=30, limit_val_batches=0)
    data = TinyData(train=4)
    trainer.fit(task, data)
    loss = F.cross_entropy(task.eval()(data.train.images), data.train.labels)
    assert loss < 0.02


@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_are_those_of_all_images_at_once(tmp_path: Path, stage: str) -> None:
    # Ten images in batches of four: a mean over batches would be another number.
    task = tiny_task(label_smoothing=0.1)
    torch.nn.init.normal_(task.head.fc.weight)
    trainer = quiet_trainer(tmp_path)
    run = trainer.validate if stage == "val" else trainer.test
    (logged,) = run(task, TinyData(val=10), verbose=False)
    logits, labels = logits_of(task, 10), random_labels(10)
    for name, k in (("top1", 1), ("top5", 5)):
        expected = multiclass_accuracy(logits, labels, 8, average="micro", top_k=k)
        in_top = (logits.topk(k).indices == labels[:, None]).any(dim=1)
        assert logged[f"{stage}/{name}"] == pytest.approx(expected.item())
        assert logged[f"{stage}/{name}"] == pytest.approx(in_top.float().mean().item())
    assert logged[f"{stage}/top1"] < logged[f"{stage}/top5"] < 1
    # The loss of an evaluation is the plain cross-entropy.
    expected = F.cross_entropy(logits, labels).item()
    assert logged[f"{stage}/loss"] == pytest.approx(expected, rel=1e-5)
    assert set(logged) == {f"{stage}/{name}" for name in ("loss", "top1", "top5")}


def test_metrics_start_afresh_in_every_evaluation(tmp_path: Path) -> None:
    task, trainer = tiny_task(), quiet_trainer(tmp_path)
    first = trainer.validate(task, TinyData(), verbose=False)
    assert trainer.validate(task, TinyData(), verbose=False) == first


def test_fewer_than_five_classes(tmp_path: Path) -> None:
    data = TinyData()
    data.val.labels = data.val.labels % 3
    (logged,) = quiet_trainer(tmp_path).validate(tiny_task(num_classes=3), data, verbose=False)
    assert logged["val/top5"] == 1.0


def test_training_logs_loss_and_learning_rate(tmp_path: Path) -> None:
    task = tiny_task(lr=0.5, min_lr=0.5, label_smoothing=0.1, class_names=list(NAMES))
    images, labels = task.normalize(random_images(4)), random_labels(4)
    expected = F.cross_entropy(
        task.train().run({"image": images})["logits"], labels, label_smoothing=0.1
    )
    trainer = quiet_trainer(tmp_path, max_steps=1, limit_val_batches=0)
    trainer.fit(task, TinyData(train=4))
    assert set(trainer.callback_metrics) == {"train/loss", "lr"}
    assert trainer.callback_metrics["lr"] == 0.5
    torch.testing.assert_close(trainer.callback_metrics["train/loss"], expected.detach())


@pytest.mark.parametrize("names", [None, list(NAMES)])
def test_predictions_name_class_and_path(tmp_path: Path, names: list[str] | None) -> None:
    task = tiny_task(class_names=names)
    batches = quiet_trainer(tmp_path).predict(task, TinyData(val=6))
    predictions: list[dict[str, Any]] = [p for batch in batches for p in batch]
    assert [len(batch) for batch in batches] == [4, 2]
    assert [p["path"] for p in predictions] == [f"image_{i}.png" for i in range(6)]
    scores = logits_of(task, 6).softmax(dim=-1)
    torch.testing.assert_close(torch.stack([p["scores"] for p in predictions]), scores)
    for prediction, row in zip(predictions, scores, strict=True):
        best = int(row.argmax())
        assert int(prediction["label"]) == best
        assert prediction["name"] == (names[best] if names else str(best))


def test_soft_labels_train_as_hard_ones_do() -> None:
    task = tiny_task().train()
    images, labels = task.normalize(random_images(4)), random_labels(4)
    outputs = task.run({"image": images})
    hard = task.criterion(outputs, {"label": labels})["loss_cls"]
    soft = task.criterion(outputs, {"label": F.one_hot(labels, 8).float()})["loss_cls"]
    torch.testing.assert_close(hard, soft)


def test_a_checkpoint_is_fine_tuned_at_another_resolution_and_for_other_classes(
    tmp_path: Path,
) -> None:
    options = {"dim": 16, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4}
    first = Classification("swin", 8, backbone_options=options)
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    trainer.fit(first, TinyData())
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    tuned = Classification(
        "swin",
        5,
        backbone_options={**options, "window_size": 6},
        weights=str(tmp_path / "first.ckpt"),
        frozen_stages=1,
        optim=OptimSettings(layer_decay=0.7),
    )
    assert tuned.head.fc.weight.shape[0] == 5  # afresh
    for name in ("patch_embed.proj.weight", "stages.1.0.mlp.fc1.weight"):
        old, new = first.backbone.state_dict()[name], tuned.backbone.state_dict()[name]
        assert torch.equal(old, new)
    table = "stages.0.0.attn.relative_position_bias_table"
    sizes = [task.backbone.state_dict()[table].shape[0] for task in (first, tuned)]
    assert sizes == [7**2, 11**2]
    assert tuned.eval()(random_images(2, side=48)).shape == (2, 5)


def test_metrics_of_each_class_are_those_of_scikit_learn(tmp_path: Path) -> None:
    names = ["a/b", *NAMES[1:]]
    task = tiny_task(per_class_metrics=True, class_names=names)
    torch.nn.init.normal_(task.head.fc.weight)
    (logged,) = quiet_trainer(tmp_path).validate(task, TinyData(val=40), verbose=False)
    labels, found = random_labels(40), logits_of(task, 40).argmax(dim=1)
    measured = precision_recall_fscore_support(
        labels, found, labels=range(8), zero_division=0, average=None
    )
    for metric, values in zip(("precision", "recall", "f1"), measured, strict=False):
        shown = [logged[f"val/{metric}/{name.replace('/', '_')}"] for name in names]
        assert shown == pytest.approx(values.tolist(), rel=1e-6)
    # A file of the model holds the means alone.
    trained = quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1)
    trained.fit(task, TinyData(train=4))
    assert set(task.describe()["metrics"]) == {"val/loss", "val/top1", "val/top5"}


def test_metrics_of_too_many_classes_are_refused() -> None:
    with refuses(ConfigError, "per_class_metrics", "1,001 classes"):
        tiny_task(num_classes=1001, per_class_metrics=True)


def test_weights_of_classes_come_from_the_training_images(tmp_path: Path) -> None:
    task = tiny_task(num_classes=3, loss={"class_weights": "balanced"})
    data = TinyData(train=12)
    data.train.labels = torch.tensor([0] * 8 + [1] * 3 + [2])
    data.val.labels = data.val.labels % 3
    data.train_dataset = data.train
    quiet_trainer(tmp_path, max_epochs=1, limit_train_batches=1).fit(task, data)
    assert task.criterion.class_weights.tolist() == pytest.approx([0.5, 4 / 3, 4.0])
    assert not any("class_weights" in key for key in task.state_dict())
    del data.train_dataset
    again = tiny_task(num_classes=3, loss={"class_weights": "balanced"})
    with refuses(ConfigError, "class_weights='balanced'", "TinyData", "a number for each class"):
        quiet_trainer(tmp_path, max_epochs=1).fit(again, data)
