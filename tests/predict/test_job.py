"""A folder of results: what is in it, going on where it stopped, refusing another job."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures
from PIL import Image

from vision.errors import ConfigError, DataError
from vision.metrics.coco.files import read_json
from vision.ops.label_images import read_labels
from vision.predict import job
from vision.predict.images import name_images
from vision.predict.job import mask_names, picture_names, predict_folder, read_lines
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.sources import ImageSources

NAMES = ("a.jpg", "a.png", "sub/a.png", "sub/b.bmp")
OPTIONS = PredictOptions(batch_size=2, threshold=0.0)


@pytest.fixture(scope="module")
def classifier() -> Model:
    return tiny_model("classification")


def images_of(folder: Path) -> list[str]:
    return [line["image"] for line in read_lines(folder / "predictions.jsonl")]


def test_results_of_a_classifier(tmp_path: Path, classifier: Model) -> None:
    write_pictures(tmp_path / "in", NAMES)
    shown: list[tuple[int, int | None]] = []
    summary = predict_folder(
        classifier,
        tmp_path / "in",
        tmp_path / "out",
        OPTIONS,
        progress=lambda done, total: shown.append((done, total)),
    )
    assert (summary.done, summary.earlier, summary.bad) == (4, 0, 0)
    assert shown == [(i, 4) for i in (1, 2, 3, 4)]
    assert images_of(tmp_path / "out") == list(NAMES)
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = list(read_lines(tmp_path / "out" / "predictions.jsonl"))
    assert [row["path"] for row in rows] == list(NAMES)
    assert [row["name"] for row in rows] == [line["name"] for line in lines]
    pictures = tmp_path / "out" / "pictures"
    drawn = sorted(str(path.relative_to(pictures)) for path in pictures.rglob("*.*"))
    assert drawn == ["a.jpg", "a.png", "sub/a.png", "sub/b.bmp.png"]
    for path in drawn:
        with Image.open(pictures / path) as picture:
            assert picture.width >= 320


def test_results_of_a_detector(tmp_path: Path) -> None:
    model = tiny_model("detection")
    write_pictures(tmp_path / "in", NAMES[:3])
    truth = {
        "images": [{"id": 70 + i, "file_name": name} for i, name in enumerate(NAMES)],
        "categories": [{"id": 9 - i, "name": n} for i, n in enumerate(model.class_names)],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for out, annotations in (("own", None), ("coco", tmp_path / "truth.json")):
        options = {"pictures": False, "annotations": annotations}
        predict_folder(model, tmp_path / "in", tmp_path / out, OPTIONS, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "own" / "pictures").exists()
    expected: list[Any] = []
    for result in model.predict(tmp_path / "in", batch_size=2, threshold=0.0):
        expected += result.to_coco()
    assert read_json(tmp_path / "own" / "predictions.json") == expected
    numbered = read_json(tmp_path / "coco" / "predictions.json")
    assert [one["image_id"] for one in numbered] == [one["image_id"] + 70 for one in expected]
    assert [one["category_id"] for one in numbered] == [9 - one["category_id"] for one in expected]
    meaning = read_json(tmp_path / "own" / "images.json")
    assert [one["file_name"] for one in meaning["images"]] == list(NAMES[:3])
    assert [one["name"] for one in meaning["categories"]] == list(model.class_names)
    truth["categories"].pop()
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    with refuses(ConfigError, "category", "'pebble'"):
        predict_folder(model, tmp_path / "in", tmp_path / "x", OPTIONS, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_results_of_a_segmentor(tmp_path: Path) -> None:
    model = tiny_model("segmentation")
    write_pictures(tmp_path / "in", NAMES)
    summary = predict_folder(model, tmp_path / "in", tmp_path / "out", OPTIONS)
    assert summary.files == ("predictions.jsonl", "pictures", "masks")
    assert all((tmp_path / "out" / name).exists() for name in summary.files)
    results = list(model.predict(tmp_path / "in"))
    lines = list(read_lines(tmp_path / "out" / "predictions.jsonl"))
    files = ["masks/a.jpg.png", "masks/a.png.png", "masks/sub/a.png", "masks/sub/b.png"]
    assert [line["mask"] for line in lines] == files
    for line, result in zip(lines, results, strict=True):
        labels = read_labels(tmp_path / "out" / line["mask"])
        assert np.array_equal(labels, result.mask.numpy())  # type: ignore[attr-defined]


def test_it_goes_on_where_it_stopped(
    tmp_path: Path, classifier: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"{i}.png" for i in range(7))
    write_pictures(tmp_path / "in", names)
    lines = tmp_path / "out" / "predictions.jsonl"

    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(classifier, tmp_path / "in", tmp_path / "out", OPTIONS, progress=stop)
    assert images_of(tmp_path / "out") == list(names[:3])
    before = lines.read_bytes()
    lines.write_bytes(before + b'{"image": "3.png", "la')  # torn
    summary = predict_folder(classifier, tmp_path / "in", tmp_path / "out", OPTIONS)
    assert (summary.done, summary.earlier) == (7, 3)
    assert lines.read_bytes().startswith(before)
    assert images_of(tmp_path / "out") == list(names)
    assert [line["index"] for line in read_lines(lines)] == list(range(7))
    predict_folder(classifier, tmp_path / "in", tmp_path / "whole", OPTIONS)
    # The same as without a stop, but for the order of sums in batches of other images.
    tables = [(tmp_path / out / "predictions.csv").read_text() for out in ("out", "whole")]
    ours, whole = ([row.split(",")[:3] for row in text.splitlines()] for text in tables)
    assert ours == whole


def test_bad_images_are_listed_and_tried_again(tmp_path: Path, classifier: Model) -> None:
    paths = write_pictures(tmp_path / "in", ("a.png", "b.png", "c.png"))
    good = Path(paths[1]).read_bytes()
    Path(paths[1]).write_bytes(b"")
    summary = predict_folder(classifier, tmp_path / "in", tmp_path / "out", OPTIONS)
    assert (summary.done, summary.bad) == (2, 1)
    (error,) = read_lines(tmp_path / "out" / "errors.jsonl")
    assert error["image"] == "b.png"
    assert "is empty (0 bytes)" in error["message"]
    Path(paths[1]).write_bytes(good)
    summary = predict_folder(classifier, tmp_path / "in", tmp_path / "out", OPTIONS)
    assert (summary.done, summary.earlier, summary.bad) == (3, 2, 0)
    assert not (tmp_path / "out" / "errors.jsonl").exists()
    assert sorted(images_of(tmp_path / "out")) == ["a.png", "b.png", "c.png"]


def test_another_job_is_refused(tmp_path: Path, classifier: Model) -> None:
    write_pictures(tmp_path / "in", ("a.png",))
    model = Model(classifier.task, classifier.description, path=tmp_path / "model.ckpt")
    (tmp_path / "model.ckpt").write_bytes(b"one")
    predict_folder(model, tmp_path / "in", tmp_path / "out", OPTIONS)
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}
    other = PredictOptions(threshold=0.5)
    with refuses(ConfigError, "another options", "'threshold'", "0.0"):
        predict_folder(model, tmp_path / "in", tmp_path / "out", other)
    with pytest.raises(ConfigError, match="another input"):
        predict_folder(model, tmp_path / "in" / "a.png", tmp_path / "out", OPTIONS)
    (tmp_path / "model.ckpt").write_bytes(b"two")
    with pytest.raises(ConfigError, match="another sha256"):
        predict_folder(model, tmp_path / "in", tmp_path / "out", OPTIONS)
    with refuses(ConfigError, "empty", "predictions"):
        predict_folder(model, tmp_path / "in", tmp_path / "in", OPTIONS)
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*.*")} == before
    # Batches only change the speed.
    (tmp_path / "model.ckpt").write_bytes(b"one")
    larger = PredictOptions(batch_size=5, threshold=0.0)
    assert predict_folder(model, tmp_path / "in", tmp_path / "out", larger).earlier == 1


def test_names_are_below_the_common_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path, ("x/a.png", "x/y/b.png", "z/c.jpg"))
    assert list(name_images(tmp_path)) == ["x/a.png", "x/y/b.png", "z/c.jpg"]
    assert list(name_images(f"{tmp_path}/x/**/*.png")) == ["a.png", "y/b.png"]
    assert list(name_images(tmp_path / "z" / "c.jpg")) == ["c.jpg"]


def test_names_of_files_are_unique() -> None:
    names = ["a.bmp", "a.bmp.png", "a.jpg", "a.jpg.png", "b.tif", "sub/b.tif"]
    stem = ImageSources().stem
    for found in (picture_names(names), mask_names(names, stem)):
        assert list(found) == names
        assert len(set(found.values())) == len(names)
    assert picture_names(names)["a.jpg"] == "a.jpg"
    assert mask_names(names, stem)["b.tif"] == "b"


def test_an_absent_source_is_no_bad_image(tmp_path: Path, classifier: Model) -> None:
    with refuses(DataError, "image", "folder"):
        predict_folder(classifier, tmp_path / "absent", tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, classifier: Model) -> None:
    write_pictures(tmp_path / "in", ("a.png",))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is not a folder"):
        job.open_folder(tmp_path / "file" / "out", {"sha256": None})
