from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.tiny_coco import CATEGORIES, FIRST_ID, write_tiny_coco
from helpers.tiny_lvis import write_tiny_lvis

from vision.data import COCO, LVIS
from vision.errors import DataError

SMALL = {"num_workers": 0, "cache_dir": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lvis")
    write_tiny_lvis(root)
    return root


def test_the_official_layout_is_read_by_its_root(root: Path) -> None:
    data = LVIS(root=root, **SMALL)
    assert data.class_names == tuple(CATEGORIES.values())
    assert data.category_ids.tolist() == list(CATEGORIES)
    assert data.evaluation == "lvis"
    assert data.ground_truth("val") == root / "annotations/lvis_v1_val.json"
    for split, folder in (("train", "train2017"), ("val", "val2017"), ("predict", "test2017")):
        first = FIRST_ID["test" if split == "predict" else split]
        assert data.index(split).path(0) == root / folder / f"{first:012d}.jpg"
    assert data.predict_split == "predict"
    assert data.index("train").has_masks
    assert not data.index("train").crowd.any()


def test_each_dataset_names_the_one_that_reads_a_file_of_the_other(
    root: Path, tmp_path: Path
) -> None:
    write_tiny_coco(tmp_path, images=4)
    coco = {
        "val_annotations": tmp_path / "annotations/instances_val2017.json",
        "val_images": tmp_path / "val2017",
    }
    lvis = {"val_annotations": root / "annotations/lvis_v1_val.json", "val_images": root}
    for cache_dir in (None, tmp_path / "cache"):
        with refuses(DataError, "lvis_v1_val.json' is an LVIS file", "vision.data.LVIS"):
            COCO(**lvis, num_workers=0, cache_dir=cache_dir).setup("validate")
        with refuses(DataError, "instances_val2017.json' is not an LVIS", "vision.data.COCO"):
            LVIS(**coco, num_workers=0, cache_dir=cache_dir).setup("validate")
    (problem,) = COCO(**lvis, **SMALL).annotation_problems()
    assert "is an LVIS file" in problem
    # To predict, a list of images is enough.
    listed = dict(zip(("predict_annotations", "predict_images"), coco.values(), strict=True))
    LVIS(**listed, **SMALL).index("predict")


def test_absent_files_are_told_with_the_expected_tree(tmp_path: Path) -> None:
    with refuses(DataError, "lvis_v1_val.json", "ROOT/annotations/lvis_v1_{train,val}.json"):
        LVIS(root=tmp_path, **SMALL).setup("validate")
