from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_masks import class_map, paint
from PIL import Image
from torchvision import tv_tensors

from vision.contracts.segmentation import IGNORED
from vision.data import SegmentationAugment, from_dataset
from vision.data.adapters.segmentation import to_mask
from vision.errors import DataError

MAPS = [class_map(seed) for seed in range(4)]
PAIRS = [(Image.fromarray(paint(labels)), Image.fromarray(labels)) for labels in MAPS]
CLASSES = ["ground", "disc", "egg"]
OPTIONS: dict[str, Any] = {
    "batch_size": 2,
    "num_workers": 0,
    "short_side": 20,
    "long_side": 40,
    "augment": SegmentationAugment(short_side=40, crop=(32, 32)),
}


def data_of(pairs: Any = PAIRS, **options: Any) -> Any:
    return from_dataset(PAIRS, pairs, **{"classes": CLASSES, **OPTIONS, **options})


def test_samples_have_the_classes_of_their_pixels() -> None:
    data = data_of()
    data.setup("fit")
    sample = data.val_dataset[2]
    np.testing.assert_array_equal(sample["mask"].numpy(), MAPS[2])
    assert sample["image"].shape == (3, 20, 28)
    assert sample["original_size"].tolist() == [40, 56]
    image, mask = data.val_dataset.example(2)
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), paint(MAPS[2]))
    np.testing.assert_array_equal(mask.numpy(), MAPS[2])
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, 3, 32, 32)
    assert batch["mask"].shape == (2, 32, 32)
    # The picture shows the classes: image and mask were cropped alike.
    colours = batch["image"][0].permute(1, 2, 0)[batch["mask"][0] == 0].float().mean(dim=0)
    assert int(colours.argmax()) == 1
    assert data.predict_dataset[0]["path"] == "sample 0 of the validation set"
    assert "mask" not in data.predict_dataset[0]


@pytest.mark.parametrize(
    "value",
    [
        Image.fromarray(MAPS[0]),
        MAPS[0].astype(np.int64),
        torch.from_numpy(MAPS[0]).long()[None],
        tv_tensors.Mask(torch.from_numpy(MAPS[0])),
    ],
)
def test_every_form_of_a_mask(value: object) -> None:
    np.testing.assert_array_equal(to_mask(value, "sample 1"), MAPS[0])


def test_values_become_classes_by_the_options() -> None:
    trimaps = [(image, np.asarray(mask) % IGNORED + 1) for image, mask in PAIRS]  # 1, 2, 3
    data = data_of(trimaps, reduce_zero_label=True)
    data.setup("validate")
    np.testing.assert_array_equal(data.val_dataset[0]["mask"].numpy(), MAPS[0] % IGNORED)
    other = [(image, np.where(np.asarray(mask) == IGNORED, 9, mask)) for image, mask in PAIRS]
    data = data_of(other, ignored=[9])
    data.setup("validate")
    np.testing.assert_array_equal(data.val_dataset[0]["mask"].numpy(), MAPS[0])


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.full((40, 56), 3), ("value 3", "2,240 pixels", "classes=[...]", "ignored=[...]")),
        (np.zeros((10, 56), dtype=np.uint8), ("10 x 56", "40 x 56")),
        (torch.rand(1, 40, 56), ("float32", "PILToTensor")),
        (np.full((40, 56), -1), ("-1 to 0",)),
        (None, ("NoneType",)),
    ],
)
def test_wrong_masks_name_their_sample(mask: Any, says: tuple[str, ...]) -> None:
    data = data_of([PAIRS[0], (PAIRS[1][0], mask)])
    data.setup("validate")
    with refuses(DataError, "sample 1 of the validation set", *says):
        data.val_dataset[1]
