import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_segments import write_cityscapes_panoptic, write_pixels

from vision.data import CityscapesPanoptic
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.documents.class_table import class_table
from vision.errors import DataError

SMALL = {"long_side": 24, "canvas": (24, 24), "augment": PanopticAugment(crop=(24, 24))}


def make(root: Path, **options: Any) -> CityscapesPanoptic:
    return CityscapesPanoptic(root=root, **{"cache_dir": "", "num_workers": 0, **SMALL, **options})


def samples(data: CityscapesPanoptic) -> list[dict[str, Any]]:
    data.setup("fit")
    data.setup("validate")
    return [*data.val_dataset, *(data.train_dataset.example(i) for i in range(2))]


def test_raw_ids_and_the_files_of_the_scripts_are_the_same(tmp_path: Path) -> None:
    raw = make(write_cityscapes_panoptic(tmp_path / "raw"))
    scripts = make(write_cityscapes_panoptic(tmp_path / "scripts", scripts=True))
    for one, other in zip(samples(raw), samples(scripts), strict=True):
        mine, theirs = (
            (s["mask"], s["segments"]) if isinstance(s, dict) else s[1:] for s in (one, other)
        )
        np.testing.assert_array_equal(mine[0], theirs[0])
        order = sorted(theirs[1], key=lambda info: info["id"])
        assert mine[1] == order
    assert [Path(path).name for path in scripts.index("train").images] == [
        "ulm_000000_000019_leftImg8bit.png",
        "ulm_000001_000019_leftImg8bit.png",
    ]
    infos = {info["id"]: info for info in raw.val_dataset[0]["segments"]}
    assert {*infos} == {7, 23, 24, 24_000, 26_003}
    assert infos[24] == {"id": 24, "category_id": 11, "isthing": True, "iscrowd": True}
    assert infos[23] == {"id": 23, "category_id": 10, "isthing": False, "iscrowd": False}
    assert [*raw.summary()["train"]] == ["images"]
    assert scripts.summary()["train"]["objects"] == 10
    assert [*raw.problems()] == []


def test_classes_are_the_train_ids() -> None:
    data = make(Path())
    assert data.class_names == class_table("cityscapes").classes
    assert data.things == [11, 12, 13, 14, 15, 16, 17, 18]
    assert [data.class_names[label] for label in data.things[:3]] == ["person", "rider", "car"]
    assert data.category_ids.tolist()[:3] == [7, 8, 11]
    assert data.palette.shape == (19, 3)
    whole = CityscapesPanoptic(root="x", num_workers=0)
    assert whole.preprocessing["canvas"] == [1025, 2049]
    assert whole.train_transform.augment.crop == (1025, 2049)


def test_the_scripts_may_have_written_train_ids(tmp_path: Path) -> None:
    root = write_cityscapes_panoptic(tmp_path, scripts=True) / "gtFine"
    values = class_table("cityscapes").values
    for split in ("train", "val"):
        path = root / f"cityscapes_panoptic_{split}.json"
        contents = json.loads(path.read_text())
        for category in contents["categories"]:
            category["id"] = values.index(category["id"])
        for image in contents["annotations"]:
            for segment in image["segments_info"]:
                segment["category_id"] = values.index(segment["category_id"])
        path.unlink()
        (root / f"{path.stem}_trainId.json").write_text(json.dumps(contents))
        (root / path.stem).rename(root / f"{path.stem}_trainId")
    data = make(tmp_path)
    data.setup("validate")
    labels = {info["id"]: info["category_id"] for info in data.val_dataset[0]["segments"]}
    assert labels == {7: 0, 23: 10, 24: 11, 24_000: 11, 26_003: 13}
    assert data.category_ids.tolist()[:2] == [7, 8]


def test_other_classes_are_refused(tmp_path: Path) -> None:
    path = write_cityscapes_panoptic(tmp_path, scripts=True) / "gtFine/cityscapes_panoptic_val.json"
    contents = json.loads(path.read_text())
    contents["categories"][0]["name"] = "street"
    path.write_text(json.dumps(contents))
    with refuses(DataError, "'val'", "'Cityscapes'", "street (stuff)", "road (stuff)"):
        make(tmp_path).setup("validate")


def test_unpaired_and_wrong_files_are_all_told(tmp_path: Path) -> None:
    masks = write_cityscapes_panoptic(tmp_path) / "gtFine" / "train" / "ulm"
    first, second = sorted(masks.iterdir())
    first.unlink()
    write_pixels(second, np.full((16, 24), 40, dtype=np.uint16))
    problems = [*make(tmp_path).problems()]
    assert len(problems) == 2
    assert any("ulm_000000_000019_leftImg8bit.png' has no mask" in text for text in problems)
    assert any(f"{second.name}' has the value 40" in text for text in problems)
    with refuses(DataError, "train set", first.name, "not paired", "instanceIds"):
        make(tmp_path).setup("fit")


def test_test_images_are_predicted_where_they_are(tmp_path: Path) -> None:
    data = make(write_cityscapes_panoptic(tmp_path))
    assert data.predict_split == "val"
    image = tmp_path / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png"
    write_pixels(image, np.zeros((16, 24, 3), dtype=np.uint8))
    assert data.predict_split == "predict"
    data.setup("predict")
    assert [batch["path"] for batch in data.predict_dataloader()] == [[str(image)]]
