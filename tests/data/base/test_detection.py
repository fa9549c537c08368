from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_coco import CATEGORIES, EMPTY, FIRST_ID, ID_STEP, write_tiny_coco
from lightning.pytorch import Trainer

from vision.data.base.detection import DetectionData
from vision.data.formats.coco import read_coco
from vision.data.index.detection import DetectionIndex
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, DataError

SMALL = {"short_side": 64, "long_side": 107, "num_workers": 0}
TRAIN = DetectionAugment(short_sides=(64,), long_side=107)


class Tiny(DetectionData):
    """Reads the tiny dataset, and counts how often."""

    expected = "Expected the tiny dataset."

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(**{"augment": TRAIN, **SMALL, **options})
        self.root = root
        self.reads: list[str] = []

    def read_index(self, split: str) -> DetectionIndex:
        self.reads.append(split)
        path = self.root / f"annotations/instances_{split}2017.json"
        return read_coco(path, self.root / f"{split}2017", masks=self.masks)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root, images=8)
    return root


def made(root: Path, *stages: str, **options: Any) -> Tiny:
    data = Tiny(root, **options)
    for stage in stages:
        data.setup(stage)
    return data


def test_each_index_is_read_once(root: Path) -> None:
    data = made(root, "fit", "validate", "test", "predict")
    assert data.class_names == tuple(CATEGORIES.values())
    assert data.num_classes == 3
    assert data.category_ids.tolist() == list(CATEGORIES)
    data.ground_truth("val")
    assert sorted(data.reads) == ["train", "val"]


def test_training_leaves_out_images_without_objects_unless_asked(root: Path) -> None:
    empty = FIRST_ID["train"] + EMPTY * ID_STEP
    dropped = made(root, "fit").train_dataset
    kept = made(root, "fit", keep_empty=True).train_dataset
    assert (len(dropped), len(kept)) == (7, 8)
    assert empty not in [int(sample["image_id"]) for sample in dropped]
    sample = kept[EMPTY]
    assert int(sample["image_id"]) == empty
    assert sample["target"]["boxes"].shape == (0, 4)


def test_batches_have_what_the_contract_says(root: Path) -> None:
    data = made(root, "fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].dtype == torch.uint8
    assert batch["image"].shape[:2] == (2, 3)
    assert len(batch["target"]) == 2
    for target, image_id in zip(batch["target"], batch["image_id"], strict=True):
        assert target["image_id"] == image_id
        assert target["masks"].shape == (len(target["boxes"]), *batch["image"].shape[2:])
    assert "masks" not in next(iter(made(root, "fit", masks=False).train_dataloader()))["target"][0]


def test_evaluation_reads_every_image_in_order(root: Path) -> None:
    data = made(root, "validate", "test")
    for loader in (data.val_dataloader(), data.test_dataloader()):
        ids = torch.cat([batch["image_id"] for batch in loader])
        assert ids.tolist() == [FIRST_ID["val"] + i * ID_STEP for i in range(8)]


def test_prediction_has_paths_and_no_targets(root: Path) -> None:
    batches = list(made(root, "predict").predict_dataloader())
    paths = [path for batch in batches for path in batch["path"]]
    assert paths == sorted(map(str, (root / "val2017").iterdir()))
    assert not any("target" in batch for batch in batches)


def test_training_batches_have_one_orientation(root: Path) -> None:
    for count in (1, 2):
        loaders = []
        for rank in range(count):
            data = made(root, "fit")
            sampler = data.train_sampler(data.train_dataset, rank, count)
            loaders.append([index for _, index in sampler])
        sizes = data.train_dataset.index.sizes[np.array(loaders).T]  # (length, processes, 2)
        portrait = sizes[..., 0] > sizes[..., 1]
        for batch in portrait.reshape(-1, 2 * count):
            assert len(set(batch.tolist())) == 1
    sampler = made(root, "fit", group_by_aspect=False)
    order = [index for _, index in sampler.train_sampler(sampler.train_dataset, 0, 1)]
    assert sorted(order) == list(range(7))


def test_a_fit_resumed_within_an_epoch_goes_on_in_the_same_order(root: Path) -> None:
    def ids(data: Tiny, epoch: int) -> list[int]:
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch["image_id"] for batch in loader]).tolist()

    whole = ids(made(root, "fit"), 3)
    data = made(root, "fit")
    data.load_state_dict({"epoch": 3, "samples": 4, "batch": 2, "bad_images": []})
    assert ids(data, 3) == whole[4:]
    assert ids(data, 4) == ids(made(root, "fit"), 4)


MIXED = replace(TRAIN, mosaic=0.8, mosaic_size=64, mixup=0.8, close_mixing_epochs=2)


def pixels(loader: Any, epoch: int) -> dict[int, tuple[int, int]]:
    """Size and sum of the image of each index."""
    loader.sampler.set_epoch(epoch)
    return {
        int(index): (int(size.prod()), int(image.sum()))
        for batch in loader
        for index, size, image in zip(batch["index"], batch["size"], batch["image"], strict=True)
    }


@pytest.mark.parametrize("workers", [0, 1])
def test_the_last_epochs_are_those_of_a_run_that_does_not_mix(root: Path, workers: int) -> None:
    mixed = made(root, "fit", augment=MIXED, num_workers=workers)
    mixed.trainer = Trainer(max_epochs=4, accelerator="cpu", logger=False, barebones=True)
    loader, plain = mixed.train_dataloader(), made(root, "fit").train_dataloader()
    for epoch in (0, 1, 2, 3):  # workers outlive an epoch
        read, expected = pixels(loader, epoch), pixels(plain, epoch)
        assert {*read} == {*expected}
        unlike = [read[i] != expected[i] for i in read]
        assert not any(unlike) if epoch >= 2 else sum(unlike) >= 4
    resumed = made(root, "fit", augment=MIXED)
    resumed.trainer = mixed.trainer
    for epoch in (1, 2):
        whole = pixels(loader, epoch)
        resumed.load_state_dict({"epoch": epoch, "samples": 4, "batch": 2, "bad_images": []})
        rest = pixels(resumed.train_dataloader(), epoch)
        assert rest == {index: whole[index] for index in rest}
        assert len(rest) in (3, 4)


def test_closing_needs_a_known_end(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = made(root, "fit", augment=MIXED)
    assert data.train_dataloader().dataset.later is None  # outside of a fit
    data.trainer = Trainer(max_steps=9, max_epochs=-1, logger=False, barebones=True)
    with refuses(ConfigError, "close_mixing_epochs=2", "mosaic, mixup", "trainer.max_epochs"):
        data.train_dataloader()
    data = made(root, "fit", augment=replace(MIXED, close_mixing_epochs=0))
    data.trainer = Trainer(max_steps=9, max_epochs=-1, logger=False, barebones=True)
    assert data.train_dataloader().dataset.later is None
    data = made(root, "fit", augment=MIXED)
    data.trainer = Trainer(max_epochs=2, logger=False, barebones=True)
    caplog.clear()
    later = data.train_dataloader().dataset.later
    assert later is not None
    assert later[0] == 0
    assert "leaves mosaic, mixup out of all 2 epochs" in caplog.text


def test_pasting_needs_masks(root: Path) -> None:
    paste = replace(TRAIN, copy_paste=0.5)
    with refuses(ConfigError, "augment.copy_paste=0.5", "only boxes", "data.masks"):
        made(root, augment=paste, masks=False)

    class Bare(Tiny):
        def read_index(self, split: str) -> DetectionIndex:
            return super().read_index(split).without_masks()

    data = Bare(root, augment=paste)
    with refuses(DataError, "augment.copy_paste", "only boxes", "train2017"):
        data.setup("fit")
    made(root, "fit", augment=paste)


@pytest.mark.parametrize("grouped", [True, False])
def test_images_with_rare_classes_are_repeated_and_a_resumed_fit_goes_on(
    grouped: bool, root: Path
) -> None:
    options = {"repeat_threshold": 1.0, "group_by_aspect": grouped}

    def keys(data: Tiny, epoch: int) -> list[tuple[int, ...]]:
        sampler = data.train_dataloader().sampler
        sampler.set_epoch(epoch)
        return list(sampler)

    data = made(root, "fit", **options)
    index = data.train_dataset.index
    # The definition, object by object: f of each class, then the largest factor of an image.
    present = [
        {int(label) for label, crowd in zip(*index.objects(i)[1:3], strict=True) if not crowd}
        for i in range(len(index))
    ]
    shares = [sum(label in own for own in present) / len(index) for label in range(3)]
    assert data.class_image_counts.tolist() == [round(share * len(index)) for share in shares]
    factors = [max(1.0, *(shares[label] ** -0.5 for label in own)) for own in present]
    assert max(factors) > 1
    whole = keys(data, 3)
    assert len(set(whole)) == len(whole) >= round(sum(factors))
    resumed = made(root, "fit", **options)
    resumed.load_state_dict({"epoch": 3, "samples": 4, "batch": 2, "bad_images": []})
    assert keys(resumed, 3) == whole[4:]


def test_the_ground_truth_is_in_the_form_of_coco(root: Path) -> None:
    truth = made(root).ground_truth("test")
    assert len(truth["images"]) == 8
    assert [category["id"] for category in truth["categories"]] == list(CATEGORIES)


class Mixed(Tiny):
    """A validation set with other classes."""

    other: tuple[tuple[int, ...], tuple[str, ...]]

    def read_index(self, split: str) -> DetectionIndex:
        index = super().read_index(split)
        if split == "val":
            ids, names = self.other
            index.category_ids, index.class_names = np.array(ids), names
        return index


@pytest.mark.parametrize(
    ("ids", "names", "message"),
    [
        ((3, 7, 90), ("disc", "pebble", "egg"), "is 7 'pebble' instead of 7 'egg'"),
        ((3, 8, 90), ("disc", "egg", "pebble"), "is 8 'egg' instead of 7 'egg'"),
        ((3, 7), ("disc", "egg"), "2 instead of 3, .* is none instead of 90 'pebble'"),
        ((3, 7, 90, 91), (*CATEGORIES.values(), "x"), "4 instead of 3, .* 91 'x' instead of none"),
    ],
)
def test_other_classes_in_validation_are_told(ids, names, message: str, root: Path) -> None:
    data = Mixed(root)
    data.other = (ids, names)
    with pytest.raises(DataError, match=f"the classes of 'val' differ from 'train': .*{message}"):
        data.setup("validate")


def test_missing_images_are_told_at_the_start(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path, masks=False)
    name = f"{FIRST_ID['val'] + ID_STEP:012d}.jpg"
    (tmp_path / "val2017" / name).unlink()
    with pytest.raises(DataError, match=rf"{name}' \(image id 20285\)\. Expected the tiny dataset"):
        made(tmp_path, "validate")
    (tmp_path / "val2017").rename(tmp_path / "val2018")
    with refuses(DataError, "'val2017'", "'val2018'", "dataset"):
        made(tmp_path, "validate")


def test_a_missing_image_further_on_is_told_when_it_is_read(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path, masks=False)
    number = FIRST_ID["val"] + 5 * ID_STEP
    (tmp_path / "val2017" / f"{number:012d}.jpg").unlink()
    data = made(tmp_path, "validate")
    with pytest.raises(DataError, match=rf"image id {number}: there is no image '.*{number}\.jpg'"):
        list(data.val_dataloader())


def test_a_training_set_without_objects_is_told(root: Path) -> None:
    class Empty(Tiny):
        def read_index(self, split: str) -> DetectionIndex:
            path = self.root / "annotations/image_info_test-dev2017.json"
            return read_coco(path, self.root / "test2017", annotated=False)

    with refuses(DataError, "8 training", "images"):
        Empty(root).setup("fit")


def test_options_out_of_range_are_told(root: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size=0"):
        Tiny(root, batch_size=0)
    with refuses(ConfigError, "repeat_threshold=0", "above 0"):
        Tiny(root, repeat_threshold=0)
