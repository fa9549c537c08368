from pathlib import Path

from helpers.tiny_segments import write_ade20k_panoptic

from vision.data import ADE20KPanoptic
from vision.documents.class_table import class_table


def test_the_classes_are_the_benchmarks_and_a_covered_segment_is_left_out(tmp_path: Path) -> None:
    data = ADE20KPanoptic(root=write_ade20k_panoptic(tmp_path), cache_dir="", num_workers=0)
    assert data.class_names == class_table("ade20k").classes
    assert data.things == [7]
    assert data.palette.shape == (150, 3)
    data.setup("validate")
    sample = data.val_dataset[0]
    assert [info["category_id"] for info in sample["segments"]] == [2, 7]
    assert [info["id"] for info in sample["segments"]] == [5, 9]
    # The wall, segment 3, is listed and has no pixel.
    assert data.summary()["val"]["objects"] == 6
    assert Path(sample["path"]).name == "ADE_val_00000001.jpg"
    assert sample["image"].shape == (3, 854, 1281)


def test_other_categories_keep_the_names_of_the_file(tmp_path: Path) -> None:
    names = [*"abcdefgh"]
    root = write_ade20k_panoptic(tmp_path, names=names)
    data = ADE20KPanoptic(root=root, cache_dir="", num_workers=0)
    assert [name.strip() for name in data.class_names] == names
    assert data.palette is None


def test_test_images_are_found_in_either_place(tmp_path: Path) -> None:
    data = ADE20KPanoptic(root=tmp_path, cache_dir="", num_workers=0)
    for folder in ("images/testing", "release_test/testing"):
        assert data.predict_split == ("val" if folder == "images/testing" else "predict")
        (tmp_path / folder).mkdir(parents=True)
        assert data.test_images == tmp_path / folder
