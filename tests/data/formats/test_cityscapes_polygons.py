import json
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segmentation_sets import HEIGHT, WIDTH, cityscapes_polygons
from PIL import Image, ImageDraw
from torchvision.datasets import Cityscapes

from vision.data.formats.cityscapes_polygons import draw_label_ids
from vision.errors import DataError

OFFICIAL = {entry.name: entry.id for entry in Cityscapes.classes}


def by_hand(content: dict[str, object]) -> np.ndarray:
    """The published procedure, with torchvision's table."""
    picture = Image.new("L", (content["imgWidth"], content["imgHeight"]), 0)
    for entry in content["objects"]:
        number = OFFICIAL.get(entry["label"], OFFICIAL.get(entry["label"][:-5]))
        if not entry.get("deleted", 0) and number >= 0:
            corners = [tuple(point) for point in entry["polygon"]]
            ImageDraw.Draw(picture).polygon(corners, fill=number)
    return np.asarray(picture)


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("seed", range(4))
def test_maps_are_those_of_the_published_procedure(tmp_path: Path, seed: int) -> None:
    content = cityscapes_polygons(seed)
    labels = draw_label_ids(write(tmp_path / "a_polygons.json", content))
    assert labels.dtype == np.uint8
    assert labels.shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(labels, by_hand(content))
    assert {0, 23, 33} <= {*labels.ravel().tolist()}  # nothing, sky, bicycle


def test_order_groups_and_what_is_left_out(tmp_path: Path) -> None:
    whole = [[0, 0], [9, 0], [9, 4], [0, 4]]

    def drawn(*labels: str, **options: object) -> list[int]:
        objects = [{"label": label, "polygon": whole, **options} for label in labels]
        content = {"imgWidth": 10, "imgHeight": 5, "objects": objects}
        return np.unique(draw_label_ids(write(tmp_path / "x.json", content))).tolist()

    assert drawn("road", "car") == [26]
    assert drawn("car", "road") == [7]
    assert drawn("cargroup") == [26]
    assert drawn("polegroup") == [18]  # a label of its own
    assert drawn("car", "license plate") == [26]
    assert drawn("car", deleted=1) == [0]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"imgWidth": 0}, "imgWidth 0 and imgHeight 24 must be pixels"),
        ({"imgHeight": 10**9}, "must be pixels, 1 to 16384"),
        ({"objects": None}, "is not a file of polygons"),
        ({"objects": [3]}, "object 1 is 3"),
        ({"objects": [{"label": "cart", "polygon": []}]}, "called 'cart'. Did you mean 'car'"),
        ({"objects": [{"polygon": []}]}, "is called None"),
        ({"objects": [{"label": "car", "polygon": [[1, 2]]}]}, "object 1 (car): its polygon"),
        ({"objects": [{"label": "car", "polygon": [[1, 2, 3], [1, 2, 3]]}]}, "cannot be drawn"),
        ({"objects": [{"label": "car", "polygon": [["1", "2"], ["3", "4"]]}]}, "cannot be drawn"),
        ({"objects": [{"label": "car"}]}, "cannot be drawn: it is None"),
        ({"objects": [{"label": "car", "polygon": [[True, 2], [3, 4]]}]}, "a corner is [True, 2]"),
        ({"objects": [{"label": "car", "polygon": [[1, 2], [3, 1e9]]}]}, "a corner is [3, 1000000"),
        ({"objects": [{"label": ["car"]}]}, "no label of Cityscapes is called ['car']"),
        ({"objects": [{"label": "car", "deleted": "0"}]}, "'deleted' is '0', expected 0 or 1"),
        ({"imgWidth": True}, "imgWidth True"),
        ({"objects": [{"label": "car", "polygon": [[1, 2], [1e7, 3]]}]}, "a corner is [1000000"),
        ({"objects": [{"label": "car", "polygon": [[1, 2], [3, float("nan")]]}]}, "is [3, nan]"),
        ({"objects": [{"label": "car", "polygon": [[float("nan"), 2]]}]}, "is [nan, 2]"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path: Path, change: dict[str, object], part: str) -> None:
    path = write(tmp_path / "b_polygons.json", {**cityscapes_polygons(0), **change})
    with pytest.raises(DataError) as caught:
        draw_label_ids(path)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "c_polygons.json"
    path.write_text("{")
    with refuses(DataError, "c_polygons.json", "JSON"):
        draw_label_ids(path)
    with refuses(DataError, "there is no ", "absent.json"):
        draw_label_ids(tmp_path / "absent.json")
