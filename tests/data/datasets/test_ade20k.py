import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import mmseg_datasets
from helpers.refusals import refuses
from helpers.tiny_boxes import write_image
from helpers.tiny_segmentation_sets import (
    ADE20K_ROWS,
    HEIGHT,
    WIDTH,
    cells,
    write_ade20k,
    write_mask,
)
from PIL import Image

from vision.contracts.segmentation import IGNORED
from vision.data.datasets import ade20k
from vision.documents.class_table import class_table
from vision.errors import DataError

TABLE = class_table("ade20k")


def make(root: Path, **options: object) -> ade20k.ADE20K:
    return ade20k.ADE20K(**{"root": root, "num_workers": 0, **options})


def mask_of(root: Path, split: str, stem: str) -> Path:
    return root / "annotations" / split / f"{stem}.png"


def test_mmsegmentation_reads_the_same(tmp_path: Path) -> None:
    data = make(write_ade20k(tmp_path))
    for split, folder in (("train", "training"), ("val", "validation")):
        reference = mmseg_datasets.load().ADE20KDataset(
            data_root=str(tmp_path),
            data_prefix={"img_path": f"images/{folder}", "seg_map_path": f"annotations/{folder}"},
            pipeline=[
                {"type": "LoadImageFromFile"},
                {"type": "mmseg.LoadAnnotations", "imdecode_backend": "pillow"},
            ],
        )
        index = data.index(split)
        assert len(reference) == len(index)
        for number in range(len(index)):
            item = reference[number]
            assert item["img_path"] == index.images[number]
            assert item["seg_map_path"] == index.masks[number]
            labels = data.label_table.apply(index.read_mask(index.masks[number]), "mask")
            np.testing.assert_array_equal(labels, item["gt_seg_map"])
            assert {0, 149, IGNORED} <= {*labels.ravel().tolist()}


def test_what_is_known_before_setup(tmp_path: Path) -> None:
    data = make(tmp_path / "absent")
    assert data.class_names == TABLE.classes
    np.testing.assert_array_equal(data.palette, TABLE.colors)
    assert data.prediction_values.tolist() == list(range(1, 151))
    assert data.prediction_values.dtype == data.palette.dtype == np.uint8
    assert make(tmp_path, label_ids=False).prediction_values is None
    assert (data.test_split, data.predict_split) == ("val", "val")


def test_the_classes_of_a_smaller_set(tmp_path: Path) -> None:
    data = make(write_ade20k(tmp_path, rows=ADE20K_ROWS))
    assert data.class_names == ("wall", "building", "sky", "tree", "car", "bed")
    assert data.num_classes == 6
    # The benchmark's first six colours are those of other classes: its tree is the fifth.
    assert data.palette is None
    assert data.prediction_values.tolist() == [1, 2, 3, 4, 5, 6]
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    batch = next(iter(data.train_dataloader()))
    assert {*batch["mask"].unique().tolist()} <= {0, 1, 2, 3, 4, 5, IGNORED}
    assert batch["image"].shape == (2, 3, 512, 512)


def test_samples_of_every_stage(tmp_path: Path) -> None:
    data = make(write_ade20k(tmp_path, test=True), short_side=12, long_side=18)
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert (len(data.train_dataset), len(data.val_dataset), len(data.test_dataset)) == (2, 1, 1)
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (1, 3, 12, 18)
    file = np.asarray(Image.open(mask_of(tmp_path, "validation", "ADE_val_00000001")))
    expected = np.where(file == 0, IGNORED, file.astype(int) - 1)
    np.testing.assert_array_equal(batch["mask"][0], expected)
    image, mask = data.val_dataset.example(0)
    assert image.shape == (3, HEIGHT, WIDTH)
    assert torch.equal(mask.long(), batch["mask"][0])
    predicted = next(iter(data.predict_dataloader()))
    assert predicted["path"] == [str(tmp_path / "release_test/testing/ADE_test_00000001.jpg")]
    assert "mask" not in predicted


def test_images_to_predict(tmp_path: Path) -> None:
    write_ade20k(tmp_path)
    write_image(tmp_path / "new" / "deep" / "n.png")
    data = make(tmp_path, predict_root=tmp_path / "new")
    data.setup("predict")
    assert [*data.predict_dataset.paths] == [str(tmp_path / "new" / "deep" / "n.png")]
    # Where the development kit announced the test images.
    write_image(tmp_path / "images" / "testing" / "ADE_test_00000001.jpg")
    assert make(tmp_path).predict_split == "predict"
    with pytest.raises(DataError, match="there is no folder"):
        make(tmp_path, predict_root=tmp_path / "nowhere").setup("predict")


def test_the_mapping_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make(write_ade20k(tmp_path)).setup("fit")
    assert "train: masks: 1..150 -> classes 0..149; 0 -> ignored" in caplog.text


def test_files_without_a_partner_end_a_run(tmp_path: Path) -> None:
    write_ade20k(tmp_path)
    mask_of(tmp_path, "training", "ADE_train_00000001").rename(
        mask_of(tmp_path, "training", "ADE_train_00000003")
    )
    with pytest.raises(DataError) as caught:
        make(tmp_path).setup("fit")
    message = str(caught.value)
    assert f"2 files of the train set in '{tmp_path}' are not paired" in message
    assert "image '" in message
    assert "ADE_train_00000001.jpg' has no mask: there is no '" in message
    assert "ADE_train_00000003.png' has no image" in message
    assert "ROOT/annotations/{training,validation}/*.png" in message


@pytest.mark.parametrize("absent", ["images/training", "annotations/training", "annotations", ""])
def test_an_absent_folder_is_named(tmp_path: Path, absent: str) -> None:
    root = write_ade20k(tmp_path / "ade")
    (root / absent).rename(tmp_path / "moved")
    with pytest.raises(DataError) as caught:
        make(root).setup("fit")
    assert f"there is no folder '{root / absent}" in str(caught.value)
    assert "Expected ADEChallengeData2016 as it unpacks" in str(caught.value)


def test_a_value_that_is_no_class(tmp_path: Path) -> None:
    path = mask_of(write_ade20k(tmp_path), "training", "ADE_train_00000002")
    labels = cells([0, 5], 0)
    labels[3, 4] = 151
    write_mask(path, labels)
    with pytest.raises(DataError) as caught:
        make(tmp_path).setup("fit")
    message = str(caught.value)
    assert f"mask '{path}' has the value 151 in 1 pixel, first at row 3, column 4" in message
    assert "expected 1..150, or 0 (ignored)" in message
    # 255 is as unexpected in these masks.
    labels[3, 4] = 255
    write_mask(path, labels)
    with pytest.raises(DataError, match="the value 255"):
        make(tmp_path).setup("fit")


def test_a_mask_of_another_size_and_one_that_is_broken(tmp_path: Path) -> None:
    path = mask_of(write_ade20k(tmp_path), "validation", "ADE_val_00000001")
    write_mask(path, cells([1, 2], 0, (HEIGHT, WIDTH - 1)))
    data = make(tmp_path)
    data.setup("validate")
    with pytest.raises(DataError) as caught:
        next(iter(data.val_dataloader()))
    assert str(path) in str(caught.value)
    assert f"{WIDTH - 1}" in str(caught.value)
    path.write_bytes(path.read_bytes()[:60])
    with refuses(DataError, "mask", "ADE_val_00000001.png"):
        data.val_dataset[0]
    path.write_bytes(b"no picture")
    with refuses(DataError, "mask", "ADE_val_00000001.png", "PNG"):
        data.val_dataset[0]
