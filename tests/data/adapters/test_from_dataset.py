from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_masks import class_map
from PIL import Image
from torch.utils.data import Subset
from torchvision.datasets import FakeData
from torchvision.datasets import ImageFolder as TorchvisionFolder

from vision.data import ClassificationData, DetectionData, SegmentationData, from_dataset
from vision.errors import ConfigError, DataError

IMAGE = Image.fromarray(texture(20, 24))
BOXES = {"boxes": torch.tensor([[1.0, 2.0, 9.0, 8.0]]), "labels": torch.tensor([0])}


@pytest.mark.parametrize(
    ("target", "base"),
    [
        (1, ClassificationData),
        (torch.tensor(1), ClassificationData),
        (np.int64(0), ClassificationData),
        (BOXES, DetectionData),
        (class_map(size=(20, 24)), SegmentationData),
        (torch.zeros(1, 20, 24), SegmentationData),
        (Image.new("L", (24, 20)), SegmentationData),
    ],
)
def test_the_first_target_tells_the_task(target: object, base: type) -> None:
    pairs = [(IMAGE, target)] * 2
    data = from_dataset(pairs, pairs, classes=["a", "b", "c"], batch_size=3, num_workers=0)
    assert isinstance(data, base)
    assert data.class_names == ("a", "b", "c")
    assert (data.batch_size, data.num_workers) == (3, 0)


def test_classes_are_those_of_the_dataset(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        IMAGE.save(tmp_path / name / "0.png")
    folder = TorchvisionFolder(tmp_path)
    data = from_dataset(Subset(folder, [0, 1]), Subset(folder, [1]))
    assert data.class_names == ("ant", "bee")
    data.setup("fit")
    assert int(data.val_dataset[0]["label"]) == 1


def test_what_fits_no_task_is_refused() -> None:
    pairs = [(IMAGE, 0)]
    with refuses(ConfigError, "classes=[...]", "list"):
        from_dataset(pairs, pairs)
    with refuses(ConfigError, "classes=[...]"):
        from_dataset(pairs, pairs, classes="ab")  # type: ignore[arg-type]
    with refuses(ConfigError, "sample 0 of the training set", "str", "classification"):
        from_dataset([(IMAGE, "cat")], pairs, classes=["cat"])
    with refuses(ConfigError, "kind='detector'", "'detection'"):
        from_dataset(pairs, pairs, classes=["cat"], kind="detector")
    with refuses(ConfigError, "no option short_side for classification", "image_size"):
        from_dataset(pairs, pairs, classes=["cat"], short_side=32)
    with refuses(DataError, "training set is empty"):
        from_dataset([], pairs, classes=["cat"])


def test_a_kind_is_taken_at_its_word() -> None:
    pairs = [(IMAGE, None)]
    assert isinstance(
        from_dataset(pairs, pairs, classes=["a", "b"], kind="segmentation"), SegmentationData
    )


def test_a_dataset_of_torchvision_is_trained_on_with_its_own_transform() -> None:
    from torchvision.transforms import ToTensor

    fake = FakeData(8, image_size=(3, 20, 24), num_classes=3, transform=ToTensor())
    data: Any = from_dataset(
        fake, fake, classes=["a", "b", "c"], image_size=16, batch_size=4, num_workers=0
    )
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 3, 16, 16)
    assert batch["image"].dtype == torch.uint8
    assert batch["image"].max() > 200
    labels = [int(fake[i][1]) for i in batch["index"].tolist()]
    assert batch["label"].tolist() == labels
