from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image

from vision.errors import ConfigError, DataError
from vision.metrics.depth import ERRORS, measure_depth
from vision.metrics.depth_files import DepthScores, evaluate_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.file_pairs import pair_files
from vision.ops.depth_maps import EXTENSIONS

MAPS = np.random.default_rng(0).uniform(0.5, 9, (2, 3, 12, 16)).round(2)


def write(path: Path, depth: np.ndarray, scale: int | None = None) -> None:
    """Write metres as `.npy`, or with a scale as a PNG file of 16 bits."""
    path.parent.mkdir(exist_ok=True)
    if scale is None:
        np.save(path, depth)
    else:
        Image.fromarray((depth * scale).round().astype(np.uint16)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Annotations in PNG files, a hundred values a metre, and predictions as arrays."""
    for number in range(3):
        write(tmp_path / "true" / f"{number}.png", MAPS[0, number], 100)
        write(tmp_path / "found" / f"{number}.npy", MAPS[1, number])
    return tmp_path


def evaluate(folder: Path, **options: Any) -> DepthScores:
    pairs = pair_files(folder / "true", folder / "found", extensions=EXTENSIONS)
    protocol = options.pop("protocol", DepthProtocol())
    return evaluate_depth(pairs, protocol, **{"annotation_scale": 100, **options})


@pytest.mark.parametrize("workers", [0, 2])
def test_images_count_equally(folder: Path, workers: int) -> None:
    truth = MAPS[0].copy()
    truth[0, 1:] = 0  # an image with few readings
    write(folder / "true" / "0.png", truth[0], 100)
    result = evaluate(folder, workers=workers)
    one_by_one = [
        measure_depth(*pair, DepthProtocol()) for pair in zip(MAPS[1], truth, strict=True)
    ]
    assert list(result.scalars()) == [*ERRORS]
    for name, value in result.scalars().items():
        assert value == pytest.approx(np.mean([one.values[name] for one in one_by_one]), rel=1e-12)
    assert [row["pixels"] for row in result.rows()] == [16, 192, 192]
    assert (result.to_json()["images"], result.to_json()["skipped"]) == (3, 0)


def test_an_image_without_a_valid_pixel_is_left_out(folder: Path) -> None:
    write(folder / "true" / "1.png", np.zeros((12, 16)), 100)
    result = evaluate(folder)
    assert (len(result.images), result.skipped) == (2, 1)
    assert "left out: 1" in result.table()
    for number in range(3):
        write(folder / "true" / f"{number}.png", np.full((12, 16), 30.0), 100)
    with refuses(DataError, "3 annotations", "0.png", "10 m", "30 m", "--annotation-scale"):
        evaluate(folder)


def test_factors_are_reported(folder: Path) -> None:
    for number, factor in enumerate((1, 2, 4)):
        write(folder / "found" / f"{number}.npy", MAPS[0, number] / factor)
    result = evaluate(folder, protocol=DepthProtocol(scale="median"))
    assert result.scalars()["abs_rel"] == pytest.approx(0, abs=1e-12)
    spread = np.std([0.5, 1, 2])
    assert result.to_json()["factors"] == pytest.approx({"median": 2, "spread": spread})
    assert "factors: median 2.0000" in result.table()
    assert "factors" not in evaluate(folder).to_json()


def test_predictions_may_be_png_files_too(folder: Path) -> None:
    expected = evaluate(folder).scalars()
    for number in range(3):
        (folder / "found" / f"{number}.npy").unlink()
        write(folder / "found" / f"{number}.png", MAPS[1, number], 1000)
    assert evaluate(folder, prediction_scale=1000).scalars() == pytest.approx(expected, rel=1e-12)
    with refuses(ConfigError, "found/0.png", "--prediction-scale", "1000"):
        evaluate(folder)


def test_sizes_are_compared_unless_predictions_are_resized(folder: Path) -> None:
    small = MAPS[1, :, ::2, ::2]
    for number in range(3):
        write(folder / "found" / f"{number}.npy", small[number])
    with refuses(DataError, "found/0.npy", "6 x 8", "true/0.png", "12 x 16", "--resize"):
        evaluate(folder)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(small)[None], size=(12, 16), mode="bilinear", align_corners=False
    )[0].numpy()
    expected = [measure_depth(*pair, DepthProtocol()) for pair in zip(large, MAPS[0], strict=True)]
    found = evaluate(folder, resize=True)
    assert found.rows()[2]["rmse"] == pytest.approx(expected[2].values["rmse"], rel=1e-12)
    write(folder / "found" / "1.npy", np.full((6, 8), np.nan))
    with refuses(DataError, "found/1.npy", "NaN", "size"):
        evaluate(folder, resize=True)


def test_the_crop_of_a_small_image_names_the_file(folder: Path) -> None:
    with refuses(DataError, "found/0.npy", "12 x 16", "352 x 1216"):
        evaluate(folder, protocol=DepthProtocol(crop="kb"))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_annotations_hold_depths(folder: Path, value: float) -> None:
    (folder / "true" / "1.png").unlink()
    depth = MAPS[0, 1].copy()
    depth[3, 5] = value
    write(folder / "true" / "1.npy", depth)
    with refuses(DataError, "true/1.npy", "1 depths", value, "row 3, column 5", "Write 0"):
        evaluate(folder)


def test_files_of_another_kind_are_named(folder: Path) -> None:
    Image.fromarray(MAPS[0, 0].astype(np.uint8)).save(folder / "true" / "0.png")
    with refuses(DataError, "true/0.png", "8 bits", "9 values", "16 bits", "source"):
        evaluate(folder)
    Image.new("RGB", (16, 12)).save(folder / "true" / "0.png")
    with refuses(DataError, "true/0.png", "RGB", "16 bits"):
        evaluate(folder)
    write(folder / "true" / "0.png", MAPS[0, 0], 100)
    np.save(folder / "found" / "0.npy", MAPS[1, 0].astype(np.int64))
    with refuses(DataError, "found/0.npy", "int64", "floats", "metres"):
        evaluate(folder)
    np.save(folder / "found" / "0.npy", MAPS[1])
    with refuses(DataError, "found/0.npy", "(3, 12, 16)", "(H, W)"):
        evaluate(folder)


def test_broken_arrays_are_named(folder: Path) -> None:
    path = folder / "found" / "0.npy"
    whole = path.read_bytes()
    headers = [whole.replace(b"(12, 16)", text) for text in (b"(1999999999, 16)", b"((12, 16)")]
    for data in (b"", b"text", whole[:200], *headers):
        path.write_bytes(data)
        with refuses(DataError, "found/0.npy", "numpy.save"):
            evaluate(folder)
    with path.open("wb") as file:
        np.savez(file, a=MAPS[0])
    with refuses(DataError, "found/0.npy", ".npz"):
        evaluate(folder)
