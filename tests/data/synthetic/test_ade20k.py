"""The composed ADE20K, judged by its COCO twin and by the datamodule for the official files."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from vision.data.base.segmentation_samples import SegmentationSamples
from vision.data.datasets.ade20k import ADE20K
from vision.data.synthetic.ade20k import write_ade20k
from vision.data.synthetic.coco import CATEGORY_IDS, write_coco
from vision.data.synthetic.semantic import CLASSES
from vision.data.synthetic.splits import SceneSamples
from vision.data.synthetic.textures import TEXTURES

SAMPLES = SceneSamples(train=40, val=8, test=3, seed=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ade20k") / "samples"
    assert write_ade20k(folder, SAMPLES) == {"train": (40, 40), "val": (8, 8), "test": (3, 0)}
    return folder


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco") / "samples"
    write_coco(folder, SAMPLES)
    return folder


def annotations(root: Path, split: str) -> list[np.ndarray]:
    return [
        np.asarray(Image.open(path)) for path in sorted((root / "annotations" / split).iterdir())
    ]


def test_the_layout_is_that_of_the_release(root: Path) -> None:
    assert sorted(path.name for path in root.iterdir()) == [
        "annotations",
        "images",
        "objectInfo150.txt",
        "release_test",
        "samples.json",
        "sceneCategories.txt",
    ]
    for split, name, count in (("training", "train", 40), ("validation", "val", 8)):
        stems = [f"ADE_{name}_{number:08d}" for number in range(1, count + 1)]
        for kind, ending, mode in (("images", ".jpg", "RGB"), ("annotations", ".png", "L")):
            files = sorted((root / kind / split).iterdir())
            assert [path.name for path in files] == [stem + ending for stem in stems]
            with Image.open(files[0]) as picture:
                assert picture.mode == mode
    lines = (root / "sceneCategories.txt").read_text().splitlines()
    assert len(lines) == 48
    assert {line.split(" ")[1] for line in lines} <= set(TEXTURES)
    tests = sorted((root / "release_test" / "testing").iterdir())
    assert tests[0].name == "ADE_test_00000001.jpg"
    assert len(tests) == 3


def test_images_are_those_of_the_twin_and_masks_agree_with_its_annotations(
    root: Path, twin: Path
) -> None:
    for split, name in (("training", "train"), ("validation", "val")):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(twin / "annotations" / f"instances_{name}2017.json")
        images = sorted((root / "images" / split).iterdir())
        masks = annotations(root, split)
        for image_id, image, mask in zip(coco.getImgIds(), images, masks, strict=True):
            other = twin / f"{name}2017" / coco.imgs[image_id]["file_name"]
            assert image.read_bytes() == other.read_bytes()
            objects = coco.imgToAnns[image_id]
            for label, category in enumerate(CATEGORY_IDS):
                expected = np.zeros(mask.shape, bool)
                for item in objects:
                    if item["category_id"] == category:
                        expected |= coco.annToMask(item).astype(bool)
                found = mask == label + 1
                # COCO's polygons have but a few points; the exact masks are compared in
                # tests/data/synthetic/test_semantic.py.
                if expected.any() or found.any():
                    assert (found & expected).sum() / (found | expected).sum() > 0.9


def test_values_are_classes_and_a_few_pixels_have_none(root: Path) -> None:
    masks = annotations(root, "training") + annotations(root, "validation")
    values = np.concatenate([mask.ravel() for mask in masks])
    assert set(np.unique(values)) == set(range(14))
    assert 0 < (values == 0).mean() < 0.05
    # One background per image.
    assert {len(set(np.unique(mask)) & {11, 12, 13}) for mask in masks} == {1}


def test_the_table_of_classes_is_true(root: Path) -> None:
    lines = (root / "objectInfo150.txt").read_text().splitlines()
    assert lines[0] == "Idx\tRatio\tTrain\tVal\tStuff\tName"
    rows = [line.split("\t") for line in lines[1:]]
    assert [row[5] for row in rows] == list(CLASSES)
    assert [row[4] for row in rows] == ["0"] * 10 + ["1"] * 3
    train, val = annotations(root, "training"), annotations(root, "validation")
    whole = np.concatenate([mask.ravel() for mask in train + val])
    for number, row in enumerate(rows, start=1):
        assert row[0] == str(number)
        share = (whole == number).sum() / (whole > 0).sum()
        assert float(row[1]) == pytest.approx(share, abs=5.1e-5)
        counts = [sum((mask == number).any() for mask in masks) for masks in (train, val)]
        assert [int(row[2]), int(row[3])] == counts


def test_the_datamodule_reads_it(root: Path) -> None:
    data = ADE20K(root=root, short_side=None, long_side=None, batch_size=4, num_workers=0)
    assert tuple(data.class_names) == CLASSES
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    first = annotations(root, "validation")[0]
    height, width = first.shape
    # 0 becomes 255, and k becomes k - 1.
    assert np.array_equal(batch["mask"][0, :height, :width].numpy(), first - np.uint8(1))
    data.setup("predict")
    assert isinstance(data.predict_dataset, SegmentationSamples)
    assert len(data.predict_dataset) == 3


def test_a_scene_does_not_depend_on_their_number_but_on_the_seed(
    root: Path, tmp_path: Path
) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("ADE_*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    write_ade20k(tmp_path / "fewer", SceneSamples(train=3, val=2, test=1, seed=4))
    fewer, whole = contents(tmp_path / "fewer"), contents(root)
    assert len(fewer) == 2 * 3 + 2 * 2 + 1
    assert all(whole[name] == content for name, content in fewer.items())
    write_ade20k(tmp_path / "other", SceneSamples(train=2, val=0, test=0, seed=5))
    other = contents(tmp_path / "other")
    assert not set(other.values()) & set(whole.values())
