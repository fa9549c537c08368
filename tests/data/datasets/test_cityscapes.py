import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_boxes import write_image
from helpers.tiny_segmentation_sets import (
    CITYSCAPES,
    HEIGHT,
    WIDTH,
    cells,
    write_cityscapes,
    write_mask,
)
from PIL import Image
from torchvision import datasets

from vision.contracts.segmentation import IGNORED
from vision.data.datasets import cityscapes
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.documents.class_table import class_table
from vision.errors import DataError

TABLE = class_table("cityscapes")

TRAIN_IDS = {entry.id: entry.train_id for entry in datasets.Cityscapes.classes}


def make(root: Path, **options: object) -> cityscapes.Cityscapes:
    return cityscapes.Cityscapes(**{"root": root, "num_workers": 0, **options})


def labels_of(data: cityscapes.Cityscapes, split: str) -> dict[str, np.ndarray]:
    """The classes of each mask, by the image's path."""
    index = data.index(split)
    return {
        image: data.label_table.apply(index.read_mask(mask), mask)
        for image, mask in zip(index.images, index.masks, strict=True)
    }


def test_torchvision_reads_the_same(tmp_path: Path) -> None:
    data = make(write_cityscapes(tmp_path))
    for split in ("train", "val"):
        reference = datasets.Cityscapes(str(tmp_path), split=split, target_type="semantic")
        labels = labels_of(data, split)
        assert [*labels] == sorted(reference.images)
        for path, (_, mask) in zip(reference.images, reference, strict=True):
            expected = np.vectorize(TRAIN_IDS.get)(np.asarray(mask))
            np.testing.assert_array_equal(labels[path], expected)
            assert {*labels[path].ravel().tolist()} >= {0, 18, IGNORED}


def test_masks_are_drawn_where_there_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, drawn = tmp_path / "whole", tmp_path / "drawn"
    write_cityscapes(drawn, masks=False)
    write_cityscapes(whole)
    # One of three images has a mask; it is read.
    name = "gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png"
    (drawn / name).write_bytes((whole / name).read_bytes())
    with caplog.at_level(logging.INFO):
        data = make(drawn)
        data.setup("fit")
    assert "train: 2 masks are drawn from polygons" in caplog.text
    assert [Path(path).suffix for path in data.index("train").masks] == [".json", ".json", ".png"]
    sky, bicycle = 10, 18
    for path, labels in labels_of(data, "train").items():
        assert labels.shape == (HEIGHT, WIDTH)
        assert {sky, bicycle, IGNORED} <= {*labels.ravel().tolist()}, path
    assert [*make(drawn).problems()] == []
    assert all(Path(path).suffix == ".png" for path in make(whole).index("train").masks)


def test_what_is_known_before_setup(tmp_path: Path) -> None:
    data = make(tmp_path / "absent")
    assert data.class_names == TABLE.classes
    np.testing.assert_array_equal(data.palette, TABLE.colors)
    # As the test server of the benchmark counts.
    assert data.prediction_values.tolist() == [*TABLE.values]
    assert data.prediction_values.dtype == np.uint8
    assert make(tmp_path, label_ids=False).prediction_values is None
    assert data.train_transform.augment == SegmentationAugment(
        short_side=1024, long_side=2048, scale=(0.5, 2.0), crop=(512, 1024)
    )


def test_samples_of_every_stage(tmp_path: Path) -> None:
    augment = SegmentationAugment(short_side=HEIGHT, long_side=WIDTH, crop=(16, 32))
    data = make(write_cityscapes(tmp_path), augment=augment)
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert data.train_size == 3
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, 3, 16, 32)
    # Evaluated in the size of the files.
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape[-2:] == batch["mask"].shape[-2:] == (HEIGHT, WIDTH)
    file = tmp_path / "gtFine/val" / f"{CITYSCAPES['val'][0]}_gtFine_labelIds.png"
    expected = np.vectorize(TRAIN_IDS.get)(np.asarray(Image.open(file)))
    assert torch.equal(batch["mask"][0], torch.from_numpy(expected).long())
    assert [*data.test_dataset.paths] == [*data.val_dataset.paths]
    assert [Path(path).name for path in data.predict_dataset.paths] == [
        "berlin_000000_000019_leftImg8bit.png"
    ]


def test_without_test_images_the_validation_set_is_predicted(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    (tmp_path / "leftImg8bit" / "test").rename(tmp_path / "test")
    assert make(tmp_path).predict_split == "val"


def test_coarse_annotations(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    name = "bayreuth/bayreuth_000000_000019"
    write_image(tmp_path / "leftImg8bit/train_extra" / f"{name}_leftImg8bit.png")
    path = tmp_path / "gtCoarse/train_extra" / f"{name}_gtCoarse_labelIds.png"
    write_mask(path, cells([0, 7], 0))
    data = make(tmp_path, extra=True)
    assert [*data.index("train").masks][-1] == str(path)
    assert len(data.index("train")) == 4
    assert len(data.index("val")) == 1
    assert len(make(tmp_path).index("train")) == 3


def test_files_without_a_partner_are_named(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    stem = tmp_path / "gtFine/train/aachen/aachen_000000_000019_gtFine"
    for end in ("labelIds.png", "polygons.json"):
        stem.with_name(f"{stem.name}_{end}").unlink()
    (tmp_path / "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png").unlink()
    with pytest.raises(DataError) as caught:
        make(tmp_path).setup("fit")
    message = str(caught.value)
    assert "2 files of the train set" in message
    assert f"there is no '{stem}_labelIds.png' and no '" in message
    assert "aachen_000000_000019_gtFine_polygons.json'" in message
    assert "ulm_000000_000019_gtFine_labelIds.png' has no image" in message
    assert "ROOT/gtFine/{train,val}/CITY/*_gtFine_labelIds.png" in message


@pytest.mark.parametrize("absent", ["leftImg8bit", "gtFine", "gtFine/train"])
def test_an_absent_folder_is_named(tmp_path: Path, absent: str) -> None:
    root = write_cityscapes(tmp_path / "cityscapes")
    (root / absent).rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"there is no folder '.*{absent}.*Expected leftImg8bit"):
        make(root).setup("fit")


def test_a_value_that_is_no_label_id(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    path = tmp_path / "gtFine/val" / f"{CITYSCAPES['val'][0]}_gtFine_labelIds.png"
    write_mask(path, cells([7, 34], 0))
    with refuses(DataError, "lindau", "labelIds.png", "34", "432 pixels"):
        make(tmp_path).setup("validate")


def test_other_sizes_and_wrong_polygons_are_told(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, masks=False)
    name = CITYSCAPES["val"][0]
    image = tmp_path / "leftImg8bit/val" / f"{name}_leftImg8bit.png"
    write_image(image, size=(HEIGHT + 1, WIDTH))
    data = make(tmp_path)
    data.setup("validate")
    with pytest.raises(DataError, match=r"lindau_000000_000019_gtFine_polygons\.json"):
        data.val_dataset[0]
    path = tmp_path / "gtFine/val" / f"{name}_gtFine_polygons.json"
    path.write_text(path.read_text().replace("sky", "heaven"))
    with refuses(DataError, "1", "'heaven'"):
        data.val_dataset[0]
    path.write_text("{")
    assert any("is not valid JSON" in problem for problem in make(tmp_path).problems())
