from pathlib import Path

import numpy as np
import pytest
from helpers import mmseg_datasets
from helpers.refusals import refuses
from helpers.tiny_boxes import write_image
from helpers.tiny_segmentation_sets import (
    COCO_STUFF,
    HEIGHT,
    WIDTH,
    cells,
    write_coco_stuff,
    write_mask,
)

from vision.contracts.segmentation import IGNORED
from vision.data.datasets import coco_stuff
from vision.documents.class_table import class_table
from vision.errors import DataError

TABLE = class_table("coco_stuff")

SOME = (0, 10, 12, 89, 91, 181, 40)


def make(root: Path, **options: object) -> coco_stuff.COCOStuff:
    return coco_stuff.COCOStuff(**{"root": root, "num_workers": 0, **options})


def labels_of(data: coco_stuff.COCOStuff, split: str) -> list[np.ndarray]:
    index = data.index(split)
    return [data.label_table.apply(index.read_mask(path), path) for path in index.masks]


def test_mmsegmentation_reads_the_same(tmp_path: Path) -> None:
    # It needs converted maps, in their places; the published ones lie beside them.
    data = make(write_coco_stuff(tmp_path, SOME, images="images", masks="annotations"))
    for split in ("train", "val"):
        index = data.index(split)
        raw = [index.read_mask(path) for path in index.masks]
        for path, values in zip(index.masks, raw, strict=True):
            converted = np.full_like(values, IGNORED)
            for label, value in enumerate(TABLE.values):
                converted[values == value] = label
            write_mask(Path(path).with_name(f"{Path(path).stem}_labelTrainIds.png"), converted)
        folder = f"{split}2017"
        reference = mmseg_datasets.load().COCOStuffDataset(
            data_root=str(tmp_path),
            data_prefix={"img_path": f"images/{folder}", "seg_map_path": f"annotations/{folder}"},
            pipeline=[{"type": "mmseg.LoadAnnotations", "imdecode_backend": "pillow"}],
        )
        again = make(tmp_path)
        assert len(again.index(split)) == len(reference) == len(COCO_STUFF[split])
        for number, labels in enumerate(labels_of(again, split)):
            item = reference[number]
            assert item["img_path"] == again.index(split).images[number]
            np.testing.assert_array_equal(labels, item["gt_seg_map"])
            assert {0, 170, IGNORED} <= {*labels.ravel().tolist()}


def test_what_is_known_before_setup(tmp_path: Path) -> None:
    data = make(tmp_path / "absent")
    assert data.class_names == TABLE.classes
    np.testing.assert_array_equal(data.palette, TABLE.colors)
    assert data.prediction_values.tolist() == [*TABLE.values]
    assert make(tmp_path, label_ids=False).prediction_values is None


@pytest.mark.parametrize(("images", "masks"), [("", "stuffthingmaps"), ("images", "annotations")])
def test_samples_of_every_stage(tmp_path: Path, images: str, masks: str) -> None:
    data = make(write_coco_stuff(tmp_path, SOME, images=images, masks=masks))
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert (data.train_size, len(data.val_dataset)) == (2, 1)
    assert data.predict_split == data.test_split == "val"
    image, mask = data.val_dataset.example(0)
    assert image.shape[1:] == mask.shape == (HEIGHT, WIDTH)
    # 12 is "stop sign", whose label id is 13; 11, the one before, was never annotated.
    assert TABLE.classes.index("stop sign") == 11
    assert {*mask.unique().tolist()} == {TABLE.values.index(value) for value in SOME} | {IGNORED}


@pytest.mark.parametrize("value", [11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90, 182, 254])
def test_values_that_have_no_class(tmp_path: Path, value: int) -> None:
    root = write_coco_stuff(tmp_path, SOME)
    path = root / "stuffthingmaps" / "val2017" / "000000000139.png"
    write_mask(path, cells([0, value], 0))
    with pytest.raises(DataError) as caught:
        make(root).setup("validate")
    assert f"mask '{path}' has the value {value} in 432 pixels" in str(caught.value)
    assert "they do not have 11 (street sign), 25 (hat)" in str(caught.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    root = write_coco_stuff(tmp_path / "coco", SOME)
    maps = root / "stuffthingmaps"
    (maps / "train2017" / "000000000009.png").unlink()
    write_image(root / "val2017" / "000000000001.jpg")
    problems = [*make(root).problems()]
    for path in (maps / "train2017" / "000000000009.png", maps / "val2017" / "000000000001.png"):
        assert sum(f"has no mask: there is no '{path}'" in text for text in problems) == 1
    assert len(problems) == 2
    maps.rename(root / "maps")
    with refuses(DataError, "no folder", "stuffthingmaps", "COCO"):
        make(root).setup("fit")
    (root / "train2017").rename(root / "train")
    with refuses(DataError, "no folder", "train2017", "COCO"):
        make(root).setup("fit")
    with pytest.raises(DataError, match="Expected COCO's images"):
        make(tmp_path / "absent").setup("fit")
