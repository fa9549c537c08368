from typing import Any

import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from lightning import Trainer
from PIL import Image

from vision.data import from_dataset
from vision.data.transforms.classification import EvalTransform
from vision.errors import DataError
from vision.tasks import Classification

PAIRS = [(Image.fromarray(texture(40, 50, seed=i)), i % 2) for i in range(6)]
OPTIONS: dict[str, Any] = {"image_size": 32, "batch_size": 2, "num_workers": 0}


def test_evaluation_is_that_of_image_folders() -> None:
    data = from_dataset(PAIRS, PAIRS[:3], classes=["a", "b"], **OPTIONS)
    data.setup("validate")
    transform = EvalTransform(32, crop=0.875, interpolation="bicubic")
    image = torch.from_numpy(texture(40, 50, seed=1)).permute(2, 0, 1)
    sample = data.val_dataset[1]
    torch.testing.assert_close(sample["image"], transform(image))
    assert int(sample["label"]) == 1
    assert data.preprocessing == transform.options


def test_sets_and_their_samples() -> None:
    data = from_dataset(PAIRS, PAIRS[:3], test=PAIRS[:2], classes=["a", "b"], **OPTIONS)
    data.setup("fit")
    assert data.train_size == 6
    assert [len(part) for part in (data.val_dataset, data.test_dataset)] == [3, 2]
    assert data.predict_dataset[1]["path"] == "sample 1 of the test set"
    assert data.summary() == {
        "train": {"images": 6}, "val": {"images": 3}, "test": {"images": 2}
    }  # fmt: skip


def test_problems_name_every_wrong_sample() -> None:
    wrong = [*PAIRS[:2], (PAIRS[0][0], 2), (PAIRS[0][0], "a")]
    data = from_dataset(wrong, PAIRS, classes=["a", "b"], **OPTIONS)
    found = list(data.problems())
    assert len(found) == 2
    assert "sample 2 of the training set has the label 2" in found[0]
    assert "sample 3 of the training set has the label 'a'" in found[1]
    data.setup("fit")
    with refuses(DataError, "sample 2 of the training set"):
        data.train_dataset[2]


def test_it_trains_and_its_model_knows_the_classes() -> None:
    name, options = TINY["convnext"]
    data = from_dataset(PAIRS, PAIRS, classes=["ant", "bee"], **OPTIONS)
    task = Classification(name, 2, backbone_options=options)
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, data)
    assert 0 <= float(trainer.callback_metrics["val/top1"]) <= 1
    assert task.class_names == ["ant", "bee"]
    assert trainer.global_step == 3
