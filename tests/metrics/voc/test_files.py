"""Pascal VOC's evaluation of files: equal to its development kit's as plain loops."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_boxes import voc_xml
from helpers.voc import CLASSES, SIDE, VocAnswer, VocObject, devkit, random_voc

from vision.errors import ConfigError, DataError
from vision.metrics.voc.files import evaluate_files


def write(
    folder: Path,
    names: Sequence[str],
    objects: Sequence[VocObject],
    answers: Sequence[VocAnswer],
) -> None:
    """XML files, the kit's text files, JSON and the list of the images."""
    for place in ("xml", "lines"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for image in names:
        own = [(one.name, one.box, int(one.difficult)) for one in objects if one.image == image]
        text = voc_xml(image, own, size=(3 * SIDE, 3 * SIDE))
        (folder / "xml" / f"{image}.xml").write_text(text)
    for name in CLASSES:
        lines = [
            f"{one.image} {one.score} {' '.join(map(str, one.box))}\n"
            for one in answers
            if one.name == name
        ]
        (folder / "lines" / f"comp4_det_test_{name}.txt").write_text("".join(lines))
    results = [
        {
            "image_id": one.image,
            "category_id": CLASSES.index(one.name) + 1,
            "score": one.score,
            "bbox": [left - 1, top - 1, right - left + 1, bottom - top + 1],
        }
        for one in answers
        for left, top, right, bottom in [one.box]
    ]
    (folder / "found.json").write_text(json.dumps(results))
    (folder / "test.txt").write_text("".join(f"{name}  1\n" for name in names))


@pytest.mark.parametrize("seed", range(6))
def test_it_equals_the_development_kit(seed: int, tmp_path: Path) -> None:
    names, objects, answers = random_voc(seed)
    write(tmp_path, names, objects, answers)
    expected = [devkit(objects, answers, name) for name in CLASSES]
    for source in ("lines", "found.json"):
        result = evaluate_files(tmp_path / "xml", tmp_path / source, class_names=CLASSES)
        found = [(row.ap_2007, row.ap_2010) for row in result.rows]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        means = np.nanmean(expected, axis=0)
        np.testing.assert_allclose([*result.scalars().values()], means, rtol=0, atol=1e-12)
        assert result.images == len(names)
    for row in result.rows:
        mine = [one for one in objects if one.name == row.name]
        assert row.difficult == sum(one.difficult for one in mine)
        assert row.objects == len(mine) - row.difficult
        assert row.predictions == sum(one.name == row.name for one in answers)


def test_the_random_cases_are_worth_it() -> None:
    cases = [random_voc(seed) for seed in range(6)]
    values = [devkit(objects, answers, "cat") for _, objects, answers in cases]
    assert np.std(values, axis=0).min() > 0.1
    assert any(abs(a - b) > 0.02 for a, b in values)
    assert any(one.difficult for _, objects, _ in cases for one in objects)


def test_the_list_numbers_the_images(tmp_path: Path) -> None:
    names, objects, answers = random_voc(1)
    write(tmp_path, names, objects, answers)
    part = names[2:5]
    (tmp_path / "test.txt").write_text("\n".join(part))
    results = json.loads((tmp_path / "found.json").read_text())
    numbered = [
        {**one, "image_id": part.index(one["image_id"]) + 1}
        for one in results
        if one["image_id"] in part
    ]
    found = tmp_path / "numbered.json"
    found.write_text(json.dumps(numbered))
    result = evaluate_files(
        tmp_path / "xml", found, class_names=CLASSES, split=tmp_path / "test.txt"
    )
    own = (
        [one for one in objects if one.image in part],
        [one for one in answers if one.image in part],
    )
    for row in result.rows:
        np.testing.assert_allclose((row.ap_2007, row.ap_2010), devkit(*own, row.name), atol=1e-12)
    with refuses(DataError, "result 0", "a number", "--split"):
        evaluate_files(tmp_path / "xml", found, class_names=CLASSES)
    found.write_text(json.dumps([{**numbered[0], "image_id": 4}]))
    with refuses(DataError, "numbered.json", "image_id 4", "3 images of", "test.txt"):
        evaluate_files(tmp_path / "xml", found, class_names=CLASSES, split=tmp_path / "test.txt")


def test_by_hand(tmp_path: Path) -> None:
    # Ten pixels wide; half of it overlaps by exactly 0.5, as the last pixel belongs to a box.
    objects = [
        VocObject("a", "cat", (1, 1, 10, 10), False),
        VocObject("a", "dog", (1, 1, 9, 9), True),
    ]
    answers = [
        VocAnswer("a", "cat", 0.9, (30, 30, 40, 40)),
        VocAnswer("a", "cat", 0.8, (1, 1, 5, 10)),
        VocAnswer("a", "cat", 0.7, (1, 1, 10, 10)),
        VocAnswer("a", "dog", 0.7, (1, 1, 9, 9)),
    ]
    write(tmp_path, ["a"], objects, answers)
    rows = evaluate_files(tmp_path / "xml", tmp_path / "lines", class_names=CLASSES).rows
    assert (rows[0].ap_2007, rows[0].ap_2010) == (pytest.approx(0.5), 0.5)
    assert (rows[2].objects, rows[2].difficult) == (0, 1)
    assert np.isnan(rows[2].ap_2010)


def test_mistakes_are_named(tmp_path: Path) -> None:
    names, objects, answers = random_voc(2)
    write(tmp_path, names, objects, answers)
    xml, lines = tmp_path / "xml", tmp_path / "lines"
    with refuses(ConfigError, "'dog' twice"):
        evaluate_files(xml, lines, class_names=[*CLASSES, "dog"])

    def refused(*words: str, found: Path = lines, split: Path | None = None) -> None:
        with refuses(DataError, *words):
            evaluate_files(xml, found, class_names=CLASSES, split=split)

    path = lines / "comp4_det_test_dog.txt"
    for text, words in (
        (f"{names[0]} 0.5 1 1 9\n", ("line 1", "xmin ymin xmax ymax")),
        (f"\n{names[0]} nan 1 1 9 9\n", ("line 2", "not finite")),
        ("elsewhere 0.5 1 1 9 9\n", ("line 1", "'elsewhere'", "another set")),
    ):
        path.write_text(text)
        refused("comp4_det_test_dog.txt", *words)
    path.unlink()
    refused("1 of 4 classes", "*_dog.txt", "empty")
    (lines / "comp3_det_test_cat.txt").write_text("")
    refused("comp3_det_test_cat.txt", "both of the class 'cat'")
    found = tmp_path / "found.json"
    for text, words in (
        ("{}", ("holds dict",)),
        ('[{"image_id": "elsewhere"}]', ("result 0", "'elsewhere'")),
        (f'[{{"image_id": "{names[0]}", "category_id": 9, "score": 1}}]', ("category_id 9",)),
    ):
        found.write_text(text)
        refused("found.json", *words, found=found)
    listed = tmp_path / "test.txt"
    listed.write_text("elsewhere\n")
    refused("elsewhere.xml", "test.txt", split=listed)
    listed.write_text(f"{names[0]}\n{names[0]}\n")
    refused("twice", names[0], split=listed)
    (xml / f"{names[0]}.xml").write_text("<html/>")
    refused(f"{names[0]}.xml", "expected <annotation>")
    with refuses(DataError, "no folder", "absent"):
        evaluate_files(tmp_path / "absent", lines, class_names=CLASSES)
