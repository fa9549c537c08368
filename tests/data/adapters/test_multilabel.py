from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from PIL import Image

from vision.data import from_dataset
from vision.errors import DataError
from vision.tasks import MultiLabel

CLASSES = ["cat", "dog", "bird"]
IMAGE = Image.fromarray(texture(20, 24))
PAIRS = [(IMAGE, torch.tensor(row)) for row in ([1, 0, 1], [0, 0, 0])]


def data_of(*more: Any) -> Any:
    data = from_dataset([*PAIRS, *more], PAIRS, classes=CLASSES, image_size=32, num_workers=0)
    data.setup("fit")
    return data


def test_labels_are_what_the_task_expects() -> None:
    data = data_of((IMAGE, np.array([True, True, False])))
    assert data.kind == MultiLabel.kind
    assert [data.train_dataset[i]["label"].tolist() for i in range(3)] == [
        [1, 0, 1],
        [0, 0, 0],
        [1, 1, 0],
    ]
    batch = next(iter(data.val_dataloader()))
    small = {"dims": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}
    MultiLabel("convnext", 3, backbone_options=small).check_batch(batch, "val")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (torch.tensor([1, 0]), ("[1, 0]", "2 values", "3 zeros and ones")),
        (torch.tensor([0.2, 0.8, 0.0]), ("0.8", "zeros and ones")),
        (2, ("label 2", "zeros and ones")),
    ],
)
def test_wrong_labels_name_their_sample(target: Any, says: tuple[str, ...]) -> None:
    with refuses(DataError, "sample 2 of the training set", *says):
        data_of((IMAGE, target)).train_dataset[2]
