"""Files, numbers and pictures of a validation of depth and of normals."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.dense_evaluation import dense_case, dense_data
from helpers.tiny_dense import tiny_dense
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.callbacks.results.dense_files import DenseFiles, DepthFiles, NormalsFiles
from vision.callbacks.results.dense_pictures import DepthPictures, NormalsPictures
from vision.callbacks.results.dense_results import DepthResults, NormalsResults
from vision.metrics.file_pairs import pair_files
from vision.metrics.normals_files import evaluate_normals
from vision.ops.depth_maps import read_depth
from vision.ops.normal_maps import EXTENSIONS, read_normals

CALLBACKS: dict[str, Any] = {
    "depth": (DepthResults, DepthPictures, DepthFiles),
    "normals": (NormalsResults, NormalsPictures, NormalsFiles),
}


@pytest.fixture(scope="module", params=["depth", "normals"])
def written(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """The key, the folder with `validation` and `data`, and the record of the evaluation."""
    key = request.param
    folder = tmp_path_factory.mktemp(key)
    results, pictures, _ = CALLBACKS[key]
    made = [results(folder / "validation", pictures=1), pictures(folder / "validation", examples=1)]
    record, _ = dense_case(folder, key, *made)
    return key, folder, record


def test_validate_writes_maps_pictures_and_numbers(written: tuple[str, Path, Any]) -> None:
    key, folder, record = written
    files = sorted(p.relative_to(folder).as_posix() for p in (folder / "validation").rglob("*.*"))
    assert files == sorted(
        [
            *(f"validation/{name}" for name in ("examples.png", "images.csv", "metrics.json")),
            *(f"validation/{key}/{number}.png" for number in range(2)),
            "validation/pictures/0.png",
        ]
    )
    metrics = json.loads((folder / "validation" / "metrics.json").read_text())
    for name in ("rmse", {"depth": "abs_rel", "normals": "below_30"}[key]):
        assert metrics[name] == pytest.approx(record.metrics[f"val/{name}"])
    with (folder / "validation" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["image"]).name for row in rows] == ["0.png", "1.png"]
    assert all(0 < int(row["pixels"]) <= 40 * 60 for row in rows)
    with Image.open(folder / "validation" / "examples.png") as picture:
        assert np.asarray(picture.convert("RGB")).std() > 20


def test_the_maps_are_what_was_evaluated(written: tuple[str, Path, Any]) -> None:
    key, folder, record = written
    found = folder / "validation" / key
    if key == "depth":
        with (folder / "validation" / "images.csv").open(newline="") as file:
            errors = [float(row["abs_rel"]) for row in csv.DictReader(file)]
        for number, expected in enumerate(errors):
            depth = read_depth(found / f"{number}.png", None)
            true = read_depth(folder / "data" / "depth" / "val" / f"{number}.png", 1000)
            counts = (true > 1e-3) & (true < 10)
            relative = np.abs(depth - true)[counts] / true[counts]
            assert relative.mean() == pytest.approx(expected, rel=2e-3, abs=1e-3)
        assert np.mean(errors) == pytest.approx(record.metrics["val/abs_rel"])
    else:
        pairs = pair_files(folder / "data" / "normals" / "val", found, extensions=EXTENSIONS)
        scores, _ = evaluate_normals(pairs)
        assert scores.mean == pytest.approx(record.metrics["val/mean"], abs=1e-2)


@pytest.mark.parametrize("key", CALLBACKS)
def test_predict_writes_a_file_for_each_image(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer: DenseFiles = CALLBACKS[key][2](tmp_path / "found")
    data, task = dense_data(tmp_path / "data", key), tiny_dense(key)
    found = quiet_trainer(tmp_path, callbacks=[writer]).predict(task, data)
    assert f"2 maps of {key} are in" in capsys.readouterr().out
    predictions: list[Any] = [one for batch in found or () for one in batch]
    for one in predictions:
        file = tmp_path / "found" / Path(one["path"]).name
        values = torch.from_numpy(read_depth(file, None) if key == "depth" else read_normals(file))
        expected = one[key] if key == "depth" else one[key].permute(1, 2, 0)
        assert (values - expected).abs().max() < 1e-3
    assert len(predictions) == len(list((tmp_path / "found").iterdir())) == 2


def test_images_without_a_true_value_have_no_numbers(tmp_path: Path) -> None:
    dense_data(tmp_path / "data", "depth")
    empty = tmp_path / "data" / "depth" / "val" / "1.png"
    Image.fromarray(np.zeros((40, 60), np.uint16)).save(empty)
    made = (DepthResults(tmp_path / "v"), DepthPictures(tmp_path / "v"))
    record, _ = dense_case(tmp_path, "depth", *made)
    assert list(record.body.numbers) == [0]
    with (tmp_path / "v" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["pixels"], rows[1]["abs_rel"]) == ("0", "")
    assert float(rows[0]["abs_rel"]) == pytest.approx(record.metrics["val/abs_rel"])
