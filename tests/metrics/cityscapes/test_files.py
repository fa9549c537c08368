"""Cityscapes' evaluation of instances: equal to its scripts' definition as plain loops."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cityscapes import EVALUATED, SIZE, Found, Scene, random_scenes, scripts, write_scenes
from helpers.refusals import refuses
from PIL import Image

from vision.errors import DataError, VisionError
from vision.metrics.cityscapes.files import evaluate_files
from vision.metrics.cityscapes.table import CityscapesResult


def values(result: CityscapesResult) -> list[list[float]]:
    return [[*row.ap] for row in result.rows]


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_definition(seed: int, tmp_path: Path) -> None:
    scenes = random_scenes(seed)
    write_scenes(tmp_path, scenes)
    expected = scripts(scenes)
    for source in ("text", "found.json"):
        result = evaluate_files(tmp_path / "gtFine", tmp_path / source)
        assert [row.name for row in result.rows] == [*expected]
        np.testing.assert_allclose(values(result), [*expected.values()], rtol=0, atol=1e-12)
    means = result.scalars()
    assert means["AP"] == pytest.approx(np.nanmean([*expected.values()]), abs=1e-12)
    assert means["AP50"] == pytest.approx(np.nanmean([ap[0] for ap in expected.values()]))
    assert (result.images, result.rows[2].name) == (len(scenes), "car")
    again = evaluate_files(tmp_path / "gtFine", tmp_path / "text", workers=2)
    assert repr(values(again)) == repr(values(result))


def test_the_random_cases_are_worth_it() -> None:
    seen = [scripts(random_scenes(seed)) for seed in range(5)]
    cars = np.array([one["car"] for one in seen])
    assert np.nanstd(cars[:, 0]) > 0.1
    assert (np.diff(cars, axis=1) < 0).any()
    ids = np.concatenate([scene.ids.ravel() for scene in random_scenes(0)])
    assert {24, 4, 29} & set(ids.tolist())


def scene(found: list[Found]) -> list[Scene]:
    """Two cars of 10 x 20 pixels, a group, a small car of 9 x 11 and void."""
    ids = np.full(SIZE, 7, dtype=np.uint16)
    ids[0:10, 0:20], ids[20:30, 0:20] = 26001, 26002
    ids[0:10, 30:50], ids[20:29, 30:41], ids[40:48, 60:80] = 26, 26003, 3
    return [Scene("a_000000_000000", ids, found)]


def mask(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    shape = np.zeros(SIZE, dtype=bool)
    shape[top:bottom, left:right] = True
    return shape


def measured(folder: Path, *found: Found) -> float:
    """AP of the cars at an overlap of 0.5."""
    write_scenes(folder, scene([*found]))
    return evaluate_files(folder / "gtFine", folder / "text").rows[2].ap[0]


def test_what_counts_by_hand(tmp_path: Path) -> None:
    first, second = mask(0, 10, 0, 20), mask(20, 30, 0, 20)
    assert measured(tmp_path) == 0
    assert measured(tmp_path, Found(26, 0.9, first)) == 0.5
    assert measured(tmp_path, Found(26, 0.9, first), Found(26, 0.8, second)) == 1
    # Precision is 1/2 at the end, before which it is 1: at the first score, and at a recall of 0.
    assert measured(tmp_path, Found(26, 0.9, first), Found(26, 0.3, first)) == 0.5
    # What is mostly in a group, in a small object or in void is no mistake.
    for ignored in (mask(0, 10, 30, 50), mask(20, 29, 30, 41), mask(40, 48, 60, 80)):
        assert measured(tmp_path, Found(26, 0.3, first), Found(26, 0.9, ignored)) == 0.5
    wrong = measured(tmp_path, Found(26, 0.3, first), Found(26, 0.9, mask(40, 48, 0, 20)))
    # Precision 1/2 at a recall of 1/2, then 0 at a recall of 0, where it is 1 as well: of these the
    # first has half of the step.
    assert wrong == 0.5 * 0.5 / 2
    # Exactly half of an object does not overlap enough.
    assert measured(tmp_path, Found(26, 0.9, mask(0, 5, 0, 20))) == 0
    result = evaluate_files(tmp_path / "gtFine", tmp_path / "text")
    assert (result.rows[2].objects, result.rows[2].ignored) == (2, 2)
    assert np.isnan(result.rows[0].ap[0])
    assert result.classes()[0]["AP"] is None


def test_numbers_of_a_coco_file_stand_for_images_and_classes(tmp_path: Path) -> None:
    scenes = random_scenes(3)
    write_scenes(tmp_path, scenes)
    results = json.loads((tmp_path / "found.json").read_text())
    names = {label: name for name, label in EVALUATED.items()}
    numbers = {scene.name: 10 + place for place, scene in enumerate(scenes)}
    numbered = [
        {
            **one,
            "image_id": numbers[one["image_id"]],
            "category_id": [*EVALUATED].index(names[one["category_id"]]) + 1,
        }
        for one in results
        if one["category_id"] in names
    ]
    (tmp_path / "numbered.json").write_text(json.dumps(numbered))
    listed = {
        "images": [
            {"id": number, "file_name": f"val/town/{name}_leftImg8bit.png"}
            for name, number in numbers.items()
        ],
        "categories": [{"id": k, "name": name} for k, name in enumerate(EVALUATED, start=1)],
    }
    images = tmp_path / "images.json"
    images.write_text(json.dumps(listed))
    result = evaluate_files(tmp_path / "gtFine", tmp_path / "numbered.json", images=images)
    np.testing.assert_allclose(values(result), [*scripts(scenes).values()], rtol=0, atol=1e-12)
    with refuses(DataError, "result 0", "image_id", "--images"):
        evaluate_files(tmp_path / "gtFine", tmp_path / "numbered.json")
    listed["categories"][0]["name"] = "pedestrian"
    images.write_text(json.dumps(listed))
    with refuses(DataError, "images.json", "category 1", "'pedestrian'", "person"):
        evaluate_files(tmp_path / "gtFine", tmp_path / "numbered.json", images=images)
    images.write_text("[]")
    with refuses(DataError, "images.json", "'images' and 'categories'"):
        evaluate_files(tmp_path / "gtFine", tmp_path / "numbered.json", images=images)


def test_mistakes_are_named(tmp_path: Path) -> None:
    name = "a_000000_000000"
    write_scenes(tmp_path, scene([Found(26, 0.9, mask(0, 10, 0, 20))]))
    text, truth = tmp_path / "text", tmp_path / "gtFine"
    lines = text / f"{name}_leftImg8bit.txt"
    good = lines.read_text()

    def refused(*words: str, found: Path = text) -> None:
        with refuses(VisionError, *words):
            evaluate_files(truth, found)

    with refuses(VisionError, "images=", "is a folder"):
        evaluate_files(truth, text, images=tmp_path / "found.json")
    for line, words in (
        ("masks/a.png 26", ("line 1", "a label id such as 26")),
        ("masks/a.png 26 0.5 0.5", ("line 1", "a score")),
        ("masks/a.png car 0.5", ("line 1", "a label id such as 26")),
        ("masks/a.png 99 0.5", ("line 1", "a label id such as 26")),
        ("masks/a.png 26 nan", ("line 1", "a score")),
        ("../a.png 26 0.5", ("line 1", "leads out of")),
        (f"{tmp_path}/a.png 26 0.5", ("line 1", "leads out of")),
        (f"{good}{good.strip()}", ("line 2", "again", "only the last")),
    ):
        lines.write_text(f"{line}\n")
        refused(lines.name, *words)
    lines.write_text("masks/absent.png 26 0.5\n")
    refused("absent.png")
    png = text / "masks" / f"{name}_0.png"
    lines.write_text(good)
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(png)
    refused(png.name, "5 x 6 pixels", "48 x 80")
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(png)
    refused(png.name, "RGB")
    (text / f"{name}.txt").write_text("")
    refused("both of the image", name)
    (text / f"{name}.txt").unlink()
    lines.unlink()
    refused("1 of 1 images", f"{name}*.txt", "empty")
    path = truth / "a" / f"{name}_gtFine_instanceIds.png"
    found = tmp_path / "found.json"
    good = found.read_text()
    for old, new, words in (
        (name, "b_000000_000000", ("result 0", "image_id 'b_0", name)),
        ('"category_id": 26', '"category_id": 77', ("result 0", "category_id 77", "26 (car)")),
        ('"segmentation"', '"outline"', ("result 0", "'segmentation'")),
        ("[48, 80]", "[80, 48]", ("result 0", "[80, 48]")),
    ):
        found.write_text(good.replace(old, new))
        refused("found.json", *words, found=found)
    found.write_text(good)
    Image.fromarray(np.full(SIZE, 77, np.uint16)).save(path)
    refused(path.name, "the value 77", "label id", found=found)
