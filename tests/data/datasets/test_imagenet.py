import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from helpers.tiny_imagenet import (
    DEVKIT,
    VAL_WNIDS,
    WNIDS,
    devkit_files,
    train_images,
    val_images,
    write_files,
    write_folders,
)

from vision.data import ImageFolder, ImageNet
from vision.data.files.class_folders import LabelledFiles
from vision.data.files.finding import PathList
from vision.data.files.folds import split_classes
from vision.data.formats.imagenet_labels import CLASSES_1K, TRAIN_1K, official_wnids, readable_names
from vision.errors import DataError

LABELS = [WNIDS.index(wnid) for wnid in VAL_WNIDS]


def make(root: Path, **options: object) -> ImageNet:
    return ImageNet(**{"root": root, "image_size": 8, "num_workers": 0, **options})


def message_of(root: Path, stage: str = "fit") -> str:
    with pytest.raises(DataError) as caught:
        make(root).setup(stage)
    return str(caught.value)


@pytest.fixture
def sorted_tree(tmp_path: Path) -> Path:
    write_folders(tmp_path, flat_val=False)
    return tmp_path


@pytest.fixture
def flat_tree(tmp_path: Path) -> Path:
    write_folders(tmp_path, flat_val=True)
    return tmp_path


def test_files_and_labels_are_those_of_torchvision(sorted_tree: Path) -> None:
    data = make(sorted_tree)
    data.setup("fit")
    for split, dataset in (("train", data.train_dataset), ("val", data.val_dataset)):
        reference = torchvision.datasets.ImageFolder(sorted_tree / split)
        pairs = list(zip(dataset.paths, dataset.labels.tolist(), strict=True))
        assert pairs == reference.samples
    assert list(data.wnids) == reference.classes


def test_a_flat_val_is_labelled_from_the_devkit(flat_tree: Path) -> None:
    data = make(flat_tree)
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    # Image N has grey level 50 N: the images and labels belong together.
    numbers = (batch["image"][:, 0, 4, 4].float() / 50).round().int().tolist()
    assert dict(zip(numbers, batch["label"].tolist(), strict=True)) == dict(enumerate(LABELS, 1))
    assert batch["label"].tolist() == sorted(LABELS)


def test_a_flat_val_gives_the_order_of_a_sorted_one(tmp_path: Path) -> None:
    names = []
    for flat in (False, True):
        write_folders(tmp_path / str(flat), flat_val=flat)
        data = make(tmp_path / str(flat))
        data.setup("validate")
        dataset = data.val_dataset
        names.append(
            [(Path(path).name, y) for path, y in zip(dataset.paths, dataset.labels, strict=True)]
        )
    assert names[0] == names[1]


def test_kaggles_tree(tmp_path: Path) -> None:
    write_folders(tmp_path / "ILSVRC/Data/CLS-LOC", flat_val=True)
    (tmp_path / "ILSVRC/Data/CLS-LOC" / DEVKIT).rename(tmp_path / "elsewhere")
    write_files(tmp_path / "ILSVRC/Data/CLS-LOC/test", {"ILSVRC2012_test_00000001.JPEG": b""})
    rows = ["ImageId,PredictionString"]
    rows += [
        f"ILSVRC2012_val_{i:08d},{wnid} 85 1 499 272 {wnid} 1 1 5 5 "
        for i, wnid in enumerate(VAL_WNIDS, 1)
    ]
    labels = tmp_path / "LOC_val_solution.csv"
    labels.write_text("\n".join(rows) + "\n")
    data = make(tmp_path)
    data.setup("fit")
    assert data.wnids == WNIDS
    assert data.val_dataset.labels.tolist() == sorted(LABELS)
    names = [int(Path(path).stem[-1]) for path in data.val_dataset.paths]
    assert [LABELS[name - 1] for name in names] == sorted(LABELS)
    data.setup("test")  # the official test images have no labels
    assert len(data.test_dataset) == 4

    labels.write_text("\n".join(rows[:-1]))
    assert "no label for 'ILSVRC2012_val_00000004'" in message_of(tmp_path)
    labels.write_text("\n".join([*rows, "ILSVRC2012_val_00000005,dog 1 2 3 4"]))
    assert "line 6 'ILSVRC2012_val_00000005,dog 1 2 3 4', expected" in message_of(tmp_path)


def test_one_folder_is_split_class_by_class(tmp_path: Path) -> None:
    for wnid, images in train_images().items():
        write_files(tmp_path / wnid, images)
    data = make(tmp_path, val_fraction=0.5)
    data.setup("fit")
    assert data.wnids == WNIDS
    assert data.train_dataset.labels.tolist() == data.val_dataset.labels.tolist() == [0, 1, 2]
    files = sorted([*data.train_dataset.paths, *data.val_dataset.paths])
    assert files == sorted(map(str, tmp_path.rglob("*.JPEG")))
    data.setup("test")
    assert list(data.test_dataset.paths) == list(data.val_dataset.paths)


def test_class_names_are_readable_and_unique(sorted_tree: Path) -> None:
    assert make(sorted_tree).class_names == (
        "n01440764 tench",
        "n02012849 crane",
        "n03126707 crane",
    )
    assert readable_names(["n99999999"]) == ("n99999999",)
    wnids = sorted(official_wnids())
    names = readable_names(wnids)
    assert len(set(names)) == len(wnids) == CLASSES_1K
    assert all(" " in name for name in names)


def test_it_is_an_image_folder_with_its_options(sorted_tree: Path) -> None:
    options = {"image_size": 16, "crop": 1.0, "interpolation": "bilinear", "seed": 3}
    ours, other = (
        kind(root=sorted_tree, num_workers=0, batch_size=2, **options)
        for kind in (ImageNet, ImageFolder)
    )
    for data in (ours, other):
        data.setup("fit")
    for a, b in zip(ours.train_dataloader(), other.train_dataloader(), strict=True):
        assert np.array_equal(a["image"], b["image"])
        assert np.array_equal(a["label"], b["label"])


def test_what_was_found_is_logged(sorted_tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make(sorted_tree).setup("fit")
    assert [record.getMessage() for record in caplog.records] == [
        "train: found 3 of 1000 classes, 6 images (official: 1,281,167)",
        "val: found 3 of 1000 classes, 4 images (official: 50,000)",
    ]


def test_a_flat_val_of_more_classes_is_cut_down(
    flat_tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (flat_tree / "train" / WNIDS[0]).rename(flat_tree / "elsewhere")
    data = make(flat_tree)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert data.val_dataset.labels.tolist() == [0, 1]
    assert "left out 2 images" in caplog.text


def test_a_folder_of_another_name_is_named(sorted_tree: Path) -> None:
    (sorted_tree / "train" / "n0144076").mkdir()
    message = message_of(sorted_tree)
    assert f"'{sorted_tree}/train/n0144076' is not a class of ImageNet" in message
    assert "Did you mean 'n01440764'" in message
    assert "ImageFolder" in message


def test_a_sorted_val_with_classes_that_training_lacks(sorted_tree: Path) -> None:
    (sorted_tree / "train" / WNIDS[1]).rename(sorted_tree / "elsewhere")
    assert f"has the class '{WNIDS[1]}', which the training set lacks" in message_of(sorted_tree)


def test_absent_folders(tmp_path: Path) -> None:
    (tmp_path / "ILSVRC2012_img_train.tar").touch()
    message = message_of(tmp_path)
    assert f"no class folders in '{tmp_path}'. Expected" in message
    assert "vision prepare-imagenet` makes them" in message
    (tmp_path / "daisy").mkdir()
    assert "(it has 'daisy')" in message_of(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "valid").mkdir()
    assert f"'{tmp_path}' has no 'val'. Did you mean 'valid'?" in message_of(tmp_path)
    assert "no folder" in message_of(tmp_path / "gone")


def test_a_flat_val_without_labels(flat_tree: Path) -> None:
    (flat_tree / DEVKIT).rename(flat_tree / "elsewhere")
    message = message_of(flat_tree)
    assert "has 4 images but no class folders" in message
    assert f"'{flat_tree}/{DEVKIT}/data'" in message
    assert f"Unpack {DEVKIT}.tar.gz in '{flat_tree}'" in message


def test_a_flat_val_with_other_files(flat_tree: Path) -> None:
    name = "ILSVRC2012_val_00000005.JPEG"
    write_files(flat_tree / "val", {name: b""})
    assert f"'{flat_tree}/val' has '{name}', expected" in message_of(flat_tree)
    assert "from 1 to 4" in message_of(flat_tree)
    for path in (flat_tree / "val").iterdir():
        path.unlink()
    assert "no images in" in message_of(flat_tree)


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("meta.mat", b"", "is not the meta.mat"),
        ("meta.mat", b"<html>" * 100, "is not the meta.mat"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n3\n9\n2\n", "has '9' in line 3"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\nx\n", "has 'x' in line 2"),
    ],
)
def test_a_broken_devkit(flat_tree: Path, file: str, content: bytes, part: str) -> None:
    path = flat_tree / DEVKIT / "data" / file
    path.write_bytes(content)
    message = message_of(flat_tree)
    assert str(path) in message
    assert part in message
    path.unlink()
    assert f"there is no '{path}'" in message_of(flat_tree)


def test_a_damaged_meta_never_passes(flat_tree: Path) -> None:
    path = flat_tree / DEVKIT / "data" / "meta.mat"
    whole = devkit_files()[f"{DEVKIT}/data/meta.mat"]
    for length in range(0, len(whole) - 1, len(whole) // 20):
        path.write_bytes(whole[:length])
        assert "meta.mat" in message_of(flat_tree)


def test_predicting(flat_tree: Path) -> None:
    data = make(flat_tree, predict_root=flat_tree / "val")
    data.setup("predict")
    assert [Path(path).name for path in data.predict_dataset.paths] == list(val_images())


def test_the_index_of_a_million_images_is_small() -> None:
    per_class = TRAIN_1K // CLASSES_1K + 1
    wnids = [f"n{number:08d}" for number in range(CLASSES_1K)]
    paths = (f"/data/imagenet/{wnid}/{wnid}_{i}.JPEG" for wnid in wnids for i in range(per_class))
    labels = np.repeat(np.arange(CLASSES_1K), per_class)
    files = LabelledFiles(PathList(paths), labels)
    assert len(files.labels) > TRAIN_1K
    # A list of as many strings takes 100 bytes each, and as many objects that workers count.
    assert len(pickle.dumps(files, protocol=5)) / len(labels) < len(files.paths[-1]) + 17
    train, val = split_classes(files, wnids, fraction=0.02, seed=0)
    assert np.array_equal(np.bincount(val.labels), [26] * CLASSES_1K)
    assert len(train.labels) + len(val.labels) == len(labels)
