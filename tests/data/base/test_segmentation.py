from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_masks import CLASSES, write_mask, write_mask_folder

from vision.data.base.segmentation import SegmentationData, SegmentationIndex, Split
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import PathList
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import ConfigError, DataError, ImageError

AUGMENT = SegmentationAugment(short_side=40, long_side=160, crop=(24, 32))


class Tiny(SegmentationData):
    """A dataset that notes what is read."""

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(augment=AUGMENT, num_workers=0, **options)
        self.root = root
        self.read: list[Split] = []

    def read_index(self, split: Split) -> SegmentationIndex:
        self.read.append(split)
        count = {"train": 4, "val": 2}[split]
        return SegmentationIndex(
            images=PathList(f"{self.root}/images/{split}/{i}.png" for i in range(count)),
            masks=PathList(f"{self.root}/masks/{split}/{i}.png" for i in range(count)),
        )

    @property
    def label_table(self) -> LabelTable:
        return LabelTable.classes(3)

    @property
    def class_names(self) -> tuple[str, ...]:
        return CLASSES


@pytest.fixture
def data(tmp_path: Path) -> Tiny:
    return Tiny(write_mask_folder(tmp_path), seed=4)


def test_stages_read_what_they_need_once(data: Tiny) -> None:
    assert data.kind == "segmentation"
    assert data.batch_size == 2
    data.setup("validate")
    assert data.read == ["val"]
    assert data.train_dataset is None
    for stage in ("fit", "fit", "test", "predict"):
        data.setup(stage)
    assert data.read == ["val", "train"]
    assert data.test_split == data.predict_split == "val"
    assert (data.palette, data.prediction_values) == (None, None)
    assert {split: found["images"] for split, found in data.summary().items()} == {
        "val": 2,
        "train": 4,
    }


def test_an_epoch_is_a_function_of_seed_and_epoch(data: Tiny) -> None:
    def epoch(seed: int, number: int) -> list[torch.Tensor]:
        fresh = Tiny(data.root, seed=seed)
        fresh.setup("fit")
        loader = fresh.train_dataloader()
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        return [tensor for batch in loader for tensor in (batch["image"], batch["mask"])]

    first = epoch(4, 1)
    torch.manual_seed(99)
    assert all(torch.equal(a, b) for a, b in zip(first, epoch(4, 1), strict=True))
    for seed, number in ((4, 2), (5, 1)):
        pairs = zip(first, epoch(seed, number), strict=True)
        assert not all(torch.equal(a, b) for a, b in pairs)


def test_evaluation_keeps_every_image_and_its_size(data: Tiny) -> None:
    data.setup("validate")
    batches = [*data.val_dataloader()]
    assert [path[-5:] for batch in batches for path in batch["path"]] == ["0.png", "1.png"]
    assert batches[0]["original_size"].tolist() == [[40, 56]] * 2
    assert batches[0]["index"].tolist() == [0, 1]
    small = Tiny(data.root, short_side=None, long_side=None)
    small.setup("validate")
    assert next(iter(small.val_dataloader()))["image"].shape == (2, 3, 40, 56)


def test_wrong_masks_end_a_run_before_it_starts(data: Tiny) -> None:
    write_mask(data.root / "masks" / "train" / "2.png", np.full((40, 56), 3, dtype=np.uint8))
    data.setup("validate")
    with refuses(DataError, "train/2.png", "3", "0..2", "255"):
        data.setup("fit")
    assert data.train_dataset is None


def test_bad_files_are_gone_past_up_to_a_limit(data: Tiny) -> None:
    (data.root / "masks" / "val" / "1.png").write_bytes(b"")
    data.setup("validate")
    with refuses(ImageError, "val/1.png", "PNG"):
        [*data.val_dataloader()]
    patient = Tiny(data.root, skip_bad_images=1)
    patient.setup("validate")
    assert sum(len(batch["bad_images"]) for batch in patient.val_dataloader()) == 1


def test_options_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"short_side=0"):
        Tiny(tmp_path, short_side=0)
    with pytest.raises(ConfigError, match=r"batch_size=0"):
        Tiny(tmp_path, batch_size=0)
