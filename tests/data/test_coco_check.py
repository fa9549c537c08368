import json
from pathlib import Path

from tiny_coco import write_tiny_coco

from vision.data import COCO
from vision.data.coco_check import check_coco_file


def test_a_good_file(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path, images=4)
    path, folder = tmp_path / "annotations" / "instances_train2017.json", tmp_path / "train2017"
    found = check_coco_file(path, folder)
    assert found.problems == []
    assert found.images == sorted(map(str, folder.iterdir()))
    assert found.annotations == len(json.loads(path.read_text())["annotations"])


def test_every_problem_names_the_file_and_images_are_known_all_the_same(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path, images=4)
    path, folder = tmp_path / "annotations" / "instances_train2017.json", tmp_path / "train2017"
    content = json.loads(path.read_text())
    for annotation in content["annotations"][:2]:
        annotation["bbox"] = [1, 2, 3]
    # As LVIS does: no name but the end of an address.
    name = content["images"][0].pop("file_name")
    content["images"][0]["coco_url"] = f"http://images.cocodataset.org/train2017/{name}"
    path.write_text(json.dumps(content))
    found = check_coco_file(path, folder)
    assert len(found.problems) == 2
    assert all(str(path) in problem for problem in found.problems)
    assert all(Path(image).is_file() for image in found.images)
    path.write_text(path.read_text()[:-50])
    found = check_coco_file(path, folder)
    assert len(found.problems) == 1
    assert found.images == []


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    write_tiny_coco(tmp_path, images=4)
    path = tmp_path / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"][2] = 0
    path.write_text(json.dumps(content))
    data = COCO(root=tmp_path, cache_dir="", num_workers=0)
    assert list(data.problems()) == []
    assert data.summary()["train"]["dropped"] == {"degenerate": 1}
    assert data.summary()["val"]["dropped"] == {}
