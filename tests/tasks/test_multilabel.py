"""Images with any number of classes: learning, metrics, predictions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TINY_CONVNEXT, TinyData, quiet_trainer, random_images
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score
from torch import Tensor

import vision
from vision.errors import ConfigError, DataError
from vision.optim.settings import OptimSettings
from vision.tasks import MultiLabel

NAMES = ["ant", "bee", "cat/tom", "dog"]


def sets(count: int) -> Tensor:
    """Which of four classes each image has; some have none, some all, and each class occurs."""
    generator = torch.Generator().manual_seed(3)
    return (torch.rand(count, 4, generator=generator) > 0.5).float()


class SetData(TinyData):
    kind = "multilabel"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for images in (self.train, self.val):
            images.labels = sets(len(images))


def make(**options: Any) -> MultiLabel:
    torch.manual_seed(0)
    task = MultiLabel(
        **{
            "backbone": "convnext",
            "num_classes": 4,
            "backbone_options": {**TINY_CONVNEXT, "layer_scale": 1.0},
            "optim": OptimSettings(lr=3e-3, warmup_epochs=0),
            **options,
        }
    )
    torch.nn.init.normal_(task.head.fc.weight)
    return task


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], Tensor]:
    task = make(per_class_metrics=True, class_names=NAMES, threshold=0.6)
    (logged,) = quiet_trainer(tmp_path_factory.mktemp("run")).validate(
        task, SetData(val=20), verbose=False
    )
    with torch.inference_mode():
        return dict(logged), task.eval()(random_images(20)).sigmoid()


def test_metrics_are_scikit_learns(evaluated: tuple[dict[str, float], Tensor]) -> None:
    logged, scores = evaluated
    truth, found = sets(20).numpy(), (scores > 0.6).numpy()
    precision = average_precision_score(truth, scores.numpy(), average="macro")
    assert logged["val/mAP"] == pytest.approx(precision, rel=1e-5)
    assert logged["val/F1"] == pytest.approx(f1_score(truth, found, average="macro"), rel=1e-5)
    by_class = {
        "average_precision": average_precision_score(truth, scores.numpy(), average=None),
        "f1": f1_score(truth, found, average=None),
        "precision": precision_score(truth, found, average=None, zero_division=0),
        "recall": recall_score(truth, found, average=None),
    }
    for metric, values in by_class.items():
        named = [logged[f"val/{metric}/{name}"] for name in ("ant", "bee", "cat_tom", "dog")]
        assert named == pytest.approx(values.tolist(), rel=1e-5)


def test_a_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    task, data = make(ema_decay=0.5), SetData(train=4)
    quiet_trainer(tmp_path, max_epochs=40, limit_val_batches=0).fit(task, data)
    with torch.inference_mode():
        scores = task.eval()(data.train.images).sigmoid()
    assert torch.equal(scores > 0.5, data.train.labels.bool())


def test_predictions_are_the_classes_above_the_threshold(tmp_path: Path) -> None:
    task = make(class_names=NAMES)
    task.preprocessing = {"image_size": 32, "crop": 1.0, "interpolation": "bilinear"}
    trainer = quiet_trainer(tmp_path)
    (batch, *_) = trainer.predict(task, SetData())
    with torch.inference_mode():
        scores = task.eval()(random_images(10)).sigmoid()
    for i, one in enumerate(batch):
        torch.testing.assert_close(one["scores"], scores[i])
        ranked = sorted(range(4), key=lambda k: -float(scores[i, k]))
        above = [k for k in ranked if scores[i, k] > 0.5]
        assert one["labels"].tolist() == above
        assert one["names"] == [NAMES[k] for k in above]
        assert one["path"] == f"image_{i}.png"
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    model = vision.load(tmp_path / "model.ckpt")
    result = model.predict_image(random_images(10)[0])
    assert result.labels == batch[0]["labels"].tolist()
    assert [name for name, _ in result.present()] == batch[0]["names"]
    assert result.to_dict()["classes"][0]["name"] == batch[0]["names"][0]
    assert result.plot().size[1] > 32
    model.task.head.threshold = 0.9999
    assert model.predict_image(random_images(10)[0]).plot().size[0] == 320


def test_mixed_sets_have_shares(tmp_path: Path) -> None:
    task = make(mix={"mixup": 1.0})
    images, labels = task.mixer(torch.rand(4, 3, 32, 32), sets(4))
    share = labels[0, sets(4)[0] > sets(4)[3]]
    assert images.shape == (4, 3, 32, 32)
    assert ((share > 0) & (share < 1)).all()
    shared = sets(4)[0].bool() & sets(4)[3].bool()
    torch.testing.assert_close(labels[0, shared], torch.ones(int(shared.sum())))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": {"name": "cross_entropy"}}, ("'cross_entropy'", "'bce'")),
        ({"threshold": 1.0}, ("threshold=1.0",)),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, Any], said: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *said):
        make(**options)


def test_what_it_lacks_is_said_in_a_line() -> None:
    from vision.task_parts import find_part

    for column in ("report", "int8_score", "demo_view"):
        with refuses(ConfigError, "multilabel", "classification"):
            find_part(MultiLabel, column)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.zeros(4, dtype=torch.int64), ("int64 (4,)", "Classification")),
        (torch.zeros(4, 4, dtype=torch.int64), ("int64 (4, 4)", "labels.float()")),
        (torch.zeros(4, 3), ("float32 (4, 3)", "float (4, 4)")),
        (torch.full((4, 4), 2.0), ("values from 2 to 2", "1 for each class")),
        (torch.full((4, 4), float("nan")), ("NaN", "1 for each class")),
    ],
)
def test_labels_of_another_form_are_refused(labels: Tensor, said: tuple[str, ...]) -> None:
    batch = {"image": random_images(4), "label": labels}
    with refuses(DataError, "batch['label']", *said):
        make().check_batch(batch, "train")
