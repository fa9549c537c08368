import logging
from pathlib import Path

import numpy as np
import pytest
from helpers import mmseg_datasets
from helpers.refusals import refuses
from helpers.tiny_segmentation_sets import (
    HEIGHT,
    SBD,
    VOC,
    WIDTH,
    cells,
    write_mask,
    write_mat,
    write_voc_segmentation,
)
from PIL import Image
from torchvision.datasets import SBDataset
from torchvision.datasets import VOCSegmentation as Reference

from vision.contracts.segmentation import IGNORED
from vision.data.datasets import voc_segmentation
from vision.errors import ConfigError, DataError, ImageError


def make(root: Path, **options: object) -> voc_segmentation.VOCSegmentation:
    return voc_segmentation.VOCSegmentation(**{"root": root, "num_workers": 0, **options})


def stems(data: voc_segmentation.VOCSegmentation, split: str) -> list[str]:
    return [Path(path).stem for path in data.index(split).images]


def test_torchvision_reads_the_same(tmp_path: Path) -> None:
    data = make(write_voc_segmentation(tmp_path, sbd=False))
    for split in ("train", "val"):
        reference = Reference(str(tmp_path), year="2012", image_set=split)
        index = data.index(split)
        assert [*index.images] == reference.images
        assert [*index.masks] == reference.masks
        for path, (_, mask) in zip(index.masks, reference, strict=True):
            labels = data.label_table.apply(index.read_mask(path), path)
            np.testing.assert_array_equal(labels, np.asarray(mask))
            assert {0, 20, IGNORED} <= {*labels.ravel().tolist()}


def test_mmsegmentation_reads_the_same(tmp_path: Path) -> None:
    data = make(write_voc_segmentation(tmp_path, sbd=False))
    reference = mmseg_datasets.load().PascalVOCDataset(
        data_root=str(tmp_path / "VOCdevkit" / "VOC2012"),
        data_prefix={"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
        ann_file="ImageSets/Segmentation/train.txt",
        pipeline=[{"type": "mmseg.LoadAnnotations", "imdecode_backend": "pillow"}],
    )
    assert reference.metainfo["classes"] == data.class_names
    np.testing.assert_array_equal(data.palette, reference.metainfo["palette"])
    data.setup("fit")
    assert len(reference) == data.train_size
    for number in range(data.train_size):
        item = reference[number]
        assert item["img_path"] == data.index("train").images[number]
        np.testing.assert_array_equal(data.train_dataset.example(number)[1], item["gt_seg_map"])


def test_trainaug_is_the_masks_of_voc_and_then_those_of_sbd(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_voc_segmentation(tmp_path)
    folder = tmp_path / "benchmark_RELEASE" / "dataset"
    data = make(tmp_path, sbd_root=tmp_path)
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert "trainaug: 2 images of VOC and 2 of SBD (10,582 in the official sets)" in caplog.text
    assert stems(data, "train") == [*VOC["train"], "2008_000002", "2008_000003"]
    assert stems(data, "val") == [*VOC["val"]]
    index = data.index("train")
    for place, split, number in ((2, "train", 0), (3, "val", 0)):
        image, mask = SBDataset(str(folder), image_set=split, mode="segmentation")[number]
        np.testing.assert_array_equal(index.read_mask(index.masks[place]), np.asarray(mask))
        pixels, labels = data.train_dataset.example(place)
        np.testing.assert_array_equal(pixels.permute(1, 2, 0), np.asarray(image))
        np.testing.assert_array_equal(labels, np.asarray(mask))
    # VOC's own mask of an image that SBD has as well.
    own = tmp_path / "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png"
    np.testing.assert_array_equal(index.read_mask(index.masks[0]), np.asarray(Image.open(own)))
    assert [*make(tmp_path, sbd_root=folder).problems()] == []


def test_masks_of_sbd_as_png(tmp_path: Path) -> None:
    write_voc_segmentation(tmp_path)
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    sbd = tmp_path / "benchmark_RELEASE" / "dataset"
    # As mmsegmentation converts SBD: masks of all of its images, whose pictures VOC has.
    for name in (*SBD["train"], *SBD["val"]):
        write_mask(voc / "SegmentationClassAug" / f"{name}.png", cells([3, 4], 9))
        (sbd / "img" / f"{name}.jpg").replace(voc / "JPEGImages" / f"{name}.jpg")
    data = make(tmp_path, train_set="trainaug")
    assert stems(data, "train") == [*VOC["train"], "2008_000002", "2008_000003"]
    for given in (data, make(tmp_path, sbd_root=tmp_path)):
        index = given.index("train")
        assert {Path(path).parent.name for path in index.masks} == {
            "SegmentationClass",
            "SegmentationClassAug",
        }
        assert np.unique(index.read_mask(index.masks[3])).tolist() == [3, 4]


def test_what_is_known_before_setup(tmp_path: Path) -> None:
    data = make(tmp_path / "absent")
    assert data.class_names[0] == "background"
    assert data.num_classes == len(data.palette) == 21
    assert data.prediction_values is None
    assert data.train_set == "train"
    assert make(tmp_path, sbd_root=tmp_path).train_set == "trainaug"
    with refuses(ConfigError, "train_set='train'", "sbd_root"):
        make(tmp_path, sbd_root=tmp_path, train_set="train")


def test_samples_of_every_stage(tmp_path: Path) -> None:
    root = write_voc_segmentation(tmp_path)
    data = make(root / "VOCdevkit", train_set="trainval", short_side=HEIGHT, long_side=WIDTH)
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert data.train_size == 3
    batch = next(iter(data.val_dataloader()))
    file = tmp_path / "VOCdevkit/VOC2012/SegmentationClass" / f"{VOC['val'][0]}.png"
    np.testing.assert_array_equal(batch["mask"][0], np.asarray(Image.open(file)))
    assert [*data.test_dataset.paths] == [*data.val_dataset.paths]
    assert [Path(path).stem for path in data.predict_dataset.paths] == [*VOC["test"]]
    (tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt").unlink()
    assert make(root).predict_split == "val"


def test_what_a_list_names_and_is_not_there(tmp_path: Path) -> None:
    write_voc_segmentation(tmp_path)
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    (voc / "JPEGImages" / "2007_000032.jpg").unlink()
    (voc / "SegmentationClass" / "2007_000039.png").unlink()
    (tmp_path / "benchmark_RELEASE/dataset/cls/2008_000003.mat").unlink()
    names = tmp_path / "benchmark_RELEASE/dataset/train.txt"
    names.write_text(names.read_text() + "2008_000002\n")
    problems = [*make(tmp_path, sbd_root=tmp_path).problems()]
    for part in (
        "JPEGImages/2007_000032.jpg', which is listed",
        "has no mask: there is no '" + str(voc / "SegmentationClass/2007_000039.png"),
        "has no mask: there is no '" + str(names.parent / "cls" / "2008_000003.mat"),
        "'2008_000002' is listed twice",
    ):
        assert sum(part in problem for problem in problems) == 1, (part, problems)
    assert len(problems) == 4
    with refuses(DataError, "4 files", "train"):
        make(tmp_path, sbd_root=tmp_path).setup("fit")


def test_absent_sets_and_folders_are_named(tmp_path: Path) -> None:
    write_voc_segmentation(tmp_path, sbd=False)
    with refuses(DataError, "image", "Segmentation/trian.txt", "Did you mean"):
        make(tmp_path, train_set="trian").setup("fit")
    with refuses(DataError, "trainaug", "masks", "SBD"):
        make(tmp_path, train_set="trainaug").setup("fit")
    with refuses(DataError, "'cls'", "SBD"):
        make(tmp_path, sbd_root=tmp_path).setup("fit")
    (tmp_path / "VOCdevkit" / "VOC2012").rename(tmp_path / "VOCdevkit" / "VOC2011")
    with refuses(DataError, "'VOC2012'", "'VOC2011'"):
        make(tmp_path).setup("fit")
    with pytest.raises(DataError, match="SegmentationClass"):
        make(tmp_path / "absent").setup("fit")


def test_wrong_masks_are_told(tmp_path: Path) -> None:
    write_voc_segmentation(tmp_path)
    mask = tmp_path / "benchmark_RELEASE/dataset/cls/2008_000003.mat"
    write_mat(mask, cells([0, 21], 0))
    with refuses(DataError, "2008_000003.mat", "21", "432 pixels"):
        make(tmp_path, sbd_root=tmp_path).setup("fit")
    write_mat(mask, cells([0, 20], 0, (HEIGHT, WIDTH + 6)))
    data = make(tmp_path, sbd_root=tmp_path)
    data.setup("fit")
    with pytest.raises(ImageError, match=r"2008_000003\.mat"):
        data.train_dataset[3]
    mask.write_bytes(mask.read_bytes()[:200])
    with refuses(ImageError, "2008_000003.mat", "SBD"):
        data.train_dataset[3]
