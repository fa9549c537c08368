import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_boxes import HEIGHT, VOC_OBJECTS, WIDTH, boxes_of, voc_xml, write_image, write_voc
from pycocotools import coco
from pycocotools.cocoeval import COCOeval
from torchvision.datasets import VOCDetection

from vision.data import VOC, DetectionAugment
from vision.documents.class_table import class_table
from vision.errors import ConfigError, DataError

CLASSES = class_table("voc").classes[1:]


def make(root: Path, **options: object) -> VOC:
    return VOC(**{"root": root, "short_side": 40, "num_workers": 0, **options})


def test_the_sets_of_two_years_in_their_order(tmp_path: Path) -> None:
    data = make(write_voc(tmp_path))
    assert data.class_names == CLASSES
    assert len(CLASSES) == 20
    index = data.index("train")
    assert list(index.paths) == [
        "VOC2007/JPEGImages/000005.jpg",
        "VOC2007/JPEGImages/000007.jpg",
        "VOC2012/JPEGImages/2008_000002.jpg",
    ]
    objects = [
        *VOC_OBJECTS["2007"]["000005"],
        *VOC_OBJECTS["2007"]["000007"],
        *VOC_OBJECTS["2012"]["2008_000002"],
    ]
    np.testing.assert_array_equal(index.boxes, boxes_of(objects))
    assert [CLASSES[label] for label in index.labels] == [name for name, _, _ in objects]
    assert index.crowd.tolist() == [False, True, False, False]
    assert index.areas.tolist() == [200, 50 * 36, 1, 11 * 19]
    assert index.category_ids.tolist() == list(range(1, 21))
    assert len(data.index("val")) == 1
    assert not make(tmp_path, difficult=True).index("train").crowd.any()


def test_torchvision_reads_the_same(tmp_path: Path) -> None:
    data = make(write_voc(tmp_path))
    index = data.index("train")
    reference = [
        *VOCDetection(str(tmp_path), year="2007", image_set="trainval"),
        *VOCDetection(str(tmp_path), year="2012", image_set="trainval"),
    ]
    assert len(reference) == len(index)
    for image, (picture, parsed) in enumerate(reference):
        annotation = parsed["annotation"]
        assert index.path(image).name == annotation["filename"]
        assert index.sizes[image].tolist() == [picture.height, picture.width]
        objects = index.objects(image)
        assert [CLASSES[label] for label in objects.labels] == [
            entry["name"] for entry in annotation["object"]
        ]
        stated = [
            [float(entry["bndbox"][corner]) for corner in ("xmin", "ymin", "xmax", "ymax")]
            for entry in annotation["object"]
        ]
        np.testing.assert_array_equal(objects.boxes + np.array([1, 1, 0, 0]), stated)
        difficult = [entry["difficult"] == "1" for entry in annotation["object"]]
        assert objects.crowd.tolist() == difficult


def test_difficult_objects_are_neither_missed_nor_punished(tmp_path: Path) -> None:
    data = make(write_voc(tmp_path), val_sets=("2007/trainval",))
    truth = coco.COCO()
    truth.dataset = {**data.ground_truth("val"), "info": {}}
    truth.createIndex()
    chair, dog = (CLASSES.index(name) + 1 for name in ("chair", "dog"))
    # Nothing of the chair; the difficult dog twice.
    found = [
        {"image_id": 1, "category_id": dog, "bbox": [10, 4, 50, 36], "score": 0.9},
        {"image_id": 1, "category_id": dog, "bbox": [11, 4, 49, 36], "score": 0.8},
    ]
    evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # (IoU, recall, class)
    classes = evaluation.params.catIds
    assert (precision[..., classes.index(dog)] == -1).all()  # as if there were none
    assert (precision[..., classes.index(chair)] == 0).all()


def test_samples_of_every_stage(tmp_path: Path) -> None:
    root = write_voc(tmp_path)
    write_image(tmp_path / "new" / "n.jpg")
    data = make(root / "VOCdevkit", predict_root=tmp_path / "new")
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert data.train_size == 3
    target = data.val_dataset[0]["target"]
    np.testing.assert_array_equal(target["boxes"], [[1, 2, 30, 33]])
    assert "masks" not in target
    assert len(data.test_dataset) == 1
    assert data.predict_dataset[0]["path"] == str(tmp_path / "new" / "n.jpg")


def test_own_classes_and_sets_without_a_year(tmp_path: Path) -> None:
    objects = [("nut", (1, 1, 10, 10), 0), ("bolt", (11, 11, 20, 20), 0)]
    write_image(tmp_path / "JPEGImages" / "one.png")
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    # Some programs leave the size out: it is then read from the image.
    text = voc_xml("one", objects).replace("<width>60</width>", "<width>0</width>")
    (tmp_path / "Annotations" / "one.xml").write_text(text)
    (tmp_path / "ImageSets" / "Main" / "all.txt").write_text("one\n")
    sets = {"train_sets": ["all"], "val_sets": ["all"], "test_sets": ["all"]}
    data = make(tmp_path, classes=["bolt", "nut"], **sets)
    index = data.index("test")
    assert data.test_split == "test"
    assert index.labels.tolist() == [1, 0]
    assert index.sizes.tolist() == [[HEIGHT, WIDTH]]
    with refuses(DataError, "one.xml", "1"):
        make(tmp_path, **sets).setup("fit")


def test_problems_end_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_voc(tmp_path)
    folder = root / "VOCdevkit" / "VOC2007"
    (folder / "Annotations" / "000007.xml").write_text(
        voc_xml("000007", [("car", (9, 9, 2, 2), 0)])
    )
    with caplog.at_level(logging.WARNING):
        make(root).setup("fit")
    assert "train: dropped 1 degenerate objects" in caplog.text
    (folder / "JPEGImages" / "000007.jpg").unlink()
    with refuses(DataError, "image", "000007.jpg"):
        make(root).setup("fit")
    names = folder / "ImageSets" / "Main" / "trainval.txt"
    names.write_text("000005\n000005\n")
    with refuses(DataError, "'000005'", "already"):
        make(root).setup("fit")
    with refuses(DataError, "has no 'VOC2008'"):
        make(root, train_sets=["2008/trainval"]).setup("fit")


@pytest.mark.parametrize(
    "options", [{"train_sets": []}, {"val_sets": ["a/b/c"]}, {"classes": ["a", "a"]}]
)
def test_options_out_of_range(tmp_path: Path, options: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        make(tmp_path, **options)


def test_images_are_mixed_and_nothing_is_pasted(tmp_path: Path) -> None:
    """Difficult objects stay crowds; there are no masks to paste by."""
    root = write_voc(tmp_path)
    data = make(root, augment=DetectionAugment(mosaic=1.0, mosaic_size=48, mixup=1.0))
    data.setup("fit")
    torch.manual_seed(0)
    targets = [data.train_dataset[0]["target"] for _ in range(12)]
    dog = CLASSES.index("dog")
    assert {CLASSES[label] for one in targets for label in one["labels"]} >= {"chair", "tvmonitor"}
    assert all(torch.equal(one["iscrowd"], one["labels"] == dog) for one in targets)
    assert any(one["iscrowd"].any() for one in targets)
    with refuses(ConfigError, "augment.copy_paste=0.5", "only boxes"):
        make(root, augment=DetectionAugment(copy_paste=0.5))
