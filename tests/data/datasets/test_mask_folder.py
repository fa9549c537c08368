import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_masks import (
    CLASSES,
    COLORS,
    COUNTS,
    IGNORED_COLOR,
    SIZE,
    class_map,
    write_mask,
    write_mask_folder,
)
from PIL import Image

from vision.contracts.segmentation import IGNORED
from vision.data.datasets.mask_folder import MaskFolder, read_class_list
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import ConfigError, DataError

AUGMENT = SegmentationAugment(short_side=40, long_side=160, crop=(32, 48))
NAMED = {name: color.tolist() for name, color in zip(CLASSES, COLORS, strict=True)}


def folder(root: Path, **options: Any) -> MaskFolder:
    return MaskFolder(root=root, augment=AUGMENT, num_workers=0, **options)


def masks_of(data: MaskFolder) -> list[np.ndarray]:
    data.setup("validate")
    assert data.val_dataset is not None
    return [data.val_dataset[i]["mask"].numpy() for i in range(COUNTS["val"])]


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ({"coding": "grey"}, {}),
        ({"coding": "palette"}, {}),
        ({"coding": "grey16"}, {}),
        ({"coding": "rgb"}, {"colors": NAMED, "ignored_colors": [IGNORED_COLOR]}),
        (
            {"coding": "rgb"},
            {"colors": COLORS.tolist(), "ignored_colors": [IGNORED_COLOR], "classes": CLASSES},
        ),
        ({"values": {0: 1, 1: 2, 2: 3, IGNORED: 0}}, {"reduce_zero_label": True}),
        ({"values": {0: 10, 1: 5, 2: 255, IGNORED: 0}}, {"values": [10, 5, 255], "ignored": [0]}),
        (
            {"values": {0: 300, 1: 7, 2: 40000}, "coding": "grey16"},
            {"values": [300, 7, 40000]},
        ),
    ],
)
def test_every_coding_gives_the_same_classes(
    tmp_path: Path, written: dict[str, Any], options: dict[str, Any]
) -> None:
    data = folder(write_mask_folder(tmp_path, **written), **options)
    for image, mask in enumerate(masks_of(data)):
        np.testing.assert_array_equal(mask, class_map(100 + image))
    assert data.class_names == CLASSES
    assert data.num_classes == 3


def test_batches_have_the_size_of_the_crop(tmp_path: Path) -> None:
    data = folder(write_mask_folder(tmp_path), batch_size=2)
    data.setup("fit")
    assert data.train_size == 4
    for batch in data.train_dataloader():
        assert batch["image"].shape == (2, 3, 32, 48)
        assert batch["mask"].shape == (2, 32, 48)
        for mask, (height, width) in zip(batch["mask"], batch["size"].tolist(), strict=True):
            assert (mask[height:] == IGNORED).all()
            assert (mask[:, width:] == IGNORED).all()
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (2, 3, 512, 717)
    assert batch["mask"].shape == (2, *SIZE)


def test_the_mapping_and_the_classes_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = folder(write_mask_folder(tmp_path))
    with caplog.at_level(logging.INFO):
        data.setup("validate")
        data.setup("test")
    maps = np.stack([class_map(100), class_map(101)])
    shares = [f"{name} {(maps == label).mean():.1%}" for label, name in enumerate(CLASSES)]
    assert caplog.messages == [
        f"val: masks: 0..2 -> classes 0..2; 255 -> ignored; in 2 of them: {', '.join(shares)}, "
        f"ignored {(maps == IGNORED).mean():.1%}"
    ]


def test_a_random_split_is_one_of_the_seed(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path, counts={"": 10})

    def split(seed: int) -> tuple[set[str], set[str]]:
        data = folder(root, seed=seed, val_fraction=0.3)
        return {*data.index("train").images}, {*data.index("val").images}

    train, val = split(0)
    assert len(train) == 7
    assert len(val) == 3
    assert not train & val
    assert split(0) == (train, val)
    assert split(1)[1] != val
    data = folder(root)
    assert data.test_split == data.predict_split == "val"
    data.setup("fit")


def test_test_sets_with_and_without_masks(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path, counts={**COUNTS, "test": 1})
    data = folder(root)
    assert data.test_split == data.predict_split == "test"
    data.setup("test")
    assert len(data.test_dataset) == 1  # type: ignore[arg-type]
    (root / "masks" / "test" / "0.png").unlink()
    with refuses(DataError, "image", "test/0.png"):
        folder(root).setup("test")
    (root / "masks" / "test").rmdir()
    data = folder(root)
    assert (data.test_split, data.predict_split) == ("val", "test")
    data.setup("test")
    data.setup("predict")
    batch = next(iter(data.predict_dataloader()))
    assert batch["path"] == [f"{root}/images/test/0.png"]
    assert "mask" not in batch
    data = folder(root, predict_root=root / "images" / "train")
    assert data.predict_split == "predict"
    data.setup("predict")
    assert len(data.predict_dataset) == 4  # type: ignore[arg-type]


def test_white_on_black_masks_are_not_taken_for_ignored_ones(tmp_path: Path) -> None:
    root = tmp_path
    for split, seed in (("train", 0), ("val", 1)):
        labels = np.where(class_map(seed, ignored=False) > 0, 255, 0).astype(np.uint8)
        write_mask(root / "images" / split / "a.png", labels)
        write_mask(root / "masks" / split / "a.png", labels)
    two = {"classes": ("ground", "thing")}
    with refuses(DataError, "1 masks", "train/a.png", "'thing'", "[0, 255]", "[]"):
        folder(root, **two).setup("fit")
    data = folder(root, **two, values=[0, 255], ignored=[])
    data.setup("fit")
    assert data.val_dataset is not None
    np.testing.assert_array_equal(data.val_dataset[0]["mask"], class_map(1, ignored=False) > 0)
    # Where it is meant so, it can be said.
    folder(root, **two, values=[0, 1]).setup("fit")


def test_masks_of_nothing_but_ignored_pixels(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path, values={0: 255, 1: 255, 2: 255})
    with refuses(DataError, "4 masks", "are ignored", "255"):
        folder(root).setup("fit")


def test_a_check_lists_everything(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path)
    (root / "masks" / "train" / "0.png").unlink()
    (root / "images" / "val" / "1.png").unlink()
    write_mask(root / "masks" / "train" / "1.png", np.full(SIZE, 7, dtype=np.uint8))
    write_mask(root / "masks" / "train" / "2.png", np.ones((40, 50), dtype=np.uint8))
    (root / "masks" / "train" / "3.png").write_bytes(b"")
    (root / "images" / "train" / "3.png").write_bytes(b"hm")
    Image.new("RGB", (56, 40)).save(root / "masks" / "val" / "0.png")
    with pytest.raises(
        DataError,
        match=r"^files that are not paired in '.*':\n  image '(.*\n)+.*check-dataset Mask",
    ):
        folder(root).setup("fit")
    data = folder(root)
    problems = [*data.problems()]
    expected = [
        "train/0.png' has no mask",
        "val/1.png' has no image",
        "train/1.png' has the value 7 in 2,240 pixels",
        "val/0.png' is an RGB image, but class indices are expected",
        "train/2.png' is 40 x 50 pixels (height x width), but its image",
        "train/3.png' is not an image: it begins with b'hm'",
    ]
    assert len(problems) == len(expected)
    for part in expected:
        assert sum(part in problem for problem in problems) == 1, part
    assert any("And its mask: mask '" in problem for problem in problems)
    assert {split: found["images"] for split, found in data.summary().items()} == {
        "train": 3,
        "val": 1,
    }
    # A run after the check is as strict as before it.
    with pytest.raises(DataError, match="not paired"):
        data.read_index("train")


def test_a_check_without_names_of_classes_reads_the_images(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path, classes=None)
    (root / "images" / "val" / "1.png").write_bytes(b"hm")
    problems = [*folder(root).problems()]
    assert len(problems) == 2
    assert "there are no names of classes: give `classes`, or a file" in problems[0]
    assert "val/1.png' is not an image" in problems[1]


def test_names_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("\ufeffground\n\n  traffic light \n", encoding="utf-8")
    assert read_class_list(path) == ("ground", "traffic light")
    for text, message in [("\n", r"is empty"), ("a\na\n", r"has a name twice")]:
        path.write_text(text)
        with pytest.raises(DataError, match=rf"classes\.txt' {message}"):
            read_class_list(path)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (["images/train", "masks/train"], ("'train'", "'val'", "ROOT/images")),
        (["images/train", "images/vall", "masks"], ("'val'", "'vall'")),
        (["masks"], ("folder", "images")),
        (["images", "masks"], ("there are no images in", "images")),
    ],
)
def test_wrong_trees(tmp_path: Path, tree: list[str], message: tuple[str, ...]) -> None:
    for name in tree:
        (tmp_path / name).mkdir(parents=True)
    with refuses(DataError, *message):
        folder(tmp_path, classes=["a", "b"]).setup("fit")


def test_a_single_pair_cannot_be_split(tmp_path: Path) -> None:
    root = write_mask_folder(tmp_path, counts={"": 1})
    with refuses(DataError, "1 image", "held"):
        folder(root).setup("fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": []}, ("classes=[]", "names")),
        ({"classes": ["a", "a"]}, ("classes=['a'",)),
        ({"classes": ["a", "b"], "values": [1]}, ("values=[1]",)),
        ({"classes": ["a", "b"], "values": [1, 1]}, ("values=[1",)),
        ({"classes": ["a", "b"], "values": [0, 255]}, ("255", "values", "ignored", "[]")),
        (
            {"classes": ["a"], "values": [1], "reduce_zero_label": True},
            ("leave reduce_zero_label",),
        ),
        ({"colors": NAMED, "values": [1]}, ("colors", "RGB", "masks")),
        ({"colors": NAMED, "classes": ["ground", "disk", "egg"]}, ("differ", "'disc'")),
        ({"colors": [[1, 2, 3]], "classes": ["a", "b"]}, ("1 colors", "2 classes")),
        ({"classes": ["a"], "ignored_colors": [[1, 2, 3]]}, ("ignored_colors",)),
        ({"classes": ["a"] + [f"{i}" for i in range(255)]}, ("256 classes", "1", "255")),
        ({"val_fraction": 1.0}, ("val_fraction=1.0",)),
    ],
)
def test_options_out_of_range(
    tmp_path: Path, options: dict[str, Any], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        folder(tmp_path, **options)


def test_predictions_are_written_in_the_masks_own_values(tmp_path: Path) -> None:
    two = {"classes": ("a", "b")}
    assert folder(tmp_path, **two).prediction_values is None
    assert folder(tmp_path, **two).palette is None
    reduced = folder(tmp_path, **two, reduce_zero_label=True).prediction_values
    assert reduced is not None
    assert reduced.tolist() == [1, 2]
    white = folder(tmp_path, **two, values=[0, 255], ignored=[]).prediction_values
    assert white is not None
    assert white.dtype == np.uint8
    assert white.tolist() == [0, 255]
    assert folder(tmp_path, **two, values=[0, 999]).prediction_values is None
    coloured = folder(tmp_path, colors=NAMED)
    assert coloured.prediction_values is None
    assert coloured.palette is not None
    np.testing.assert_array_equal(coloured.palette, COLORS)
