from pathlib import Path

from helpers.refusals import refuses

from vision.data.index.mask_pairs import Pairs, find_some_images, join_pairs, pair_files, pair_masks
from vision.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_pairs_have_one_path_but_for_the_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "images/b.jpg", "images/in.side/a.b.PNG", "images/list.txt", "images/.c.jpg")
    touch(tmp_path, "masks/b.png", "masks/in.side/a.b.PNG", "masks/README")
    pairs = pair_masks(tmp_path / "images", tmp_path / "masks")
    assert not pairs.problems
    assert [*pairs.index.images] == [
        f"{tmp_path}/images/b.jpg",
        f"{tmp_path}/images/in.side/a.b.PNG",
    ]
    assert pairs.index.masks is not None
    assert [*pairs.index.masks] == [
        f"{tmp_path}/masks/b.png",
        f"{tmp_path}/masks/in.side/a.b.PNG",
    ]


def test_every_file_alone_is_told(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/{name}.jpg" for name in ("a", "b", "cat", "d")), "images/a.jpeg")
    touch(tmp_path, "masks/a.png", "masks/b.jpg", "masks/cat_mask.png")
    pairs = pair_masks(tmp_path / "images", tmp_path / "masks")
    assert [*pairs.index.images] == [f"{tmp_path}/images/a.jpeg"]
    images, masks = tmp_path / "images", tmp_path / "masks"
    assert pairs.problems == [
        f"images '{images}/a.jpeg' and '{images}/a.jpg' have the same name: rename one.",
        f"the mask of image '{images}/b.jpg' is '{masks}/b.jpg', expected a PNG file: "
        f"'{masks}/b.png'.",
        f"image '{images}/cat.jpg' has no mask: there is no '{masks}/cat.png'. Did you mean "
        "'cat_mask'?",
        f"image '{images}/d.jpg' has no mask: there is no '{masks}/d.png'.",
        f"mask '{masks}/cat_mask.png' has no image '{images}/cat_mask.*'. Did you mean 'cat'?",
    ]


def test_absent_folders_and_images(tmp_path: Path) -> None:
    with refuses(DataError, "no folder", "images", "Expected this."):
        pair_masks(tmp_path / "images", tmp_path / "masks", "Expected this.")
    touch(tmp_path, "images/a.txt")
    with refuses(DataError, "images", "1 other", ".txt"):
        find_some_images(tmp_path / "images")
    touch(tmp_path, "images/a.jpg")
    with refuses(DataError, "no folder", "masks"):
        pair_masks(tmp_path / "images", tmp_path / "masks")


def pair(images: list[str], masks: list[str]) -> Pairs:
    return pair_files(
        images,
        {path.removesuffix(".png"): path for path in masks},
        key_of=lambda path: path.removesuffix(".jpg"),
        mask_of=lambda key: f"masks/{key}.png",
    )


def test_pairs_in_the_order_of_the_images() -> None:
    pairs = pair(["b.jpg", "a.jpg", "c.jpg"], ["a.png", "b.png", "d.png"])
    assert [*pairs.index.images] == ["b.jpg", "a.jpg"]
    assert [*pairs.index.masks] == ["b.png", "a.png"]
    assert pairs.problems == [
        "image 'c.jpg' has no mask: there is no 'masks/c.png'.",
        "mask 'd.png' has no image.",
    ]


def test_two_sets_in_a_row() -> None:
    pairs = join_pairs(pair(["b.jpg"], ["b.png", "c.png"]), pair(["a.jpg"], ["a.png"]))
    assert [*pairs.index.images] == ["b.jpg", "a.jpg"]
    assert [*pairs.index.masks] == ["b.png", "a.png"]
    assert pairs.problems == ["mask 'c.png' has no image."]
