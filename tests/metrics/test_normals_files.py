from pathlib import Path

import numpy as np
import pytest
from helpers.normal_files import random_normals, write_normals
from helpers.refusals import refuses
from PIL import Image

from vision.errors import DataError, ImageError
from vision.metrics.file_pairs import pair_files
from vision.metrics.normals import NormalsEvaluator, NormalsScores, angles_between
from vision.metrics.normals_files import Row, evaluate_normals
from vision.ops.normal_maps import EXTENSIONS, read_normals


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Annotations in a PNG file of 16 bits each, and predictions in one of 8 and in an array."""
    for number in range(2):
        write_normals(tmp_path / "true" / f"{number}.png", random_normals(number), bits=16)
    write_normals(tmp_path / "found" / "0.png", random_normals(5))
    np.save(tmp_path / "found" / "1.npy", random_normals(6))
    return tmp_path


def evaluate(folder: Path, **options: object) -> tuple[NormalsScores, list[Row]]:
    pairs = pair_files(folder / "true", folder / "found", extensions=EXTENSIONS)
    return evaluate_normals(pairs, **options)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_count_as_their_maps(folder: Path, workers: int) -> None:
    evaluator = NormalsEvaluator()
    for number in range(2):
        evaluator.update(angles_between(random_normals(5 + number), random_normals(number)))
    result, rows = evaluate(folder, workers=workers)
    # A value of 8 bits is right to 0.004.
    assert result.scalars() == pytest.approx(evaluator.compute().scalars(), abs=0.2)
    assert [row["pixels"] for row in rows] == [126, 126]
    assert np.mean([row["mean"] for row in rows]) == pytest.approx(result.mean)


@pytest.mark.parametrize(("bits", "degrees"), [(8, 0.4), (16, 0.0015)])
def test_png_files_are_read_to_their_rounding(tmp_path: Path, bits: int, degrees: float) -> None:
    normals = random_normals(1)
    normals[0, 0], normals[0, 1] = np.nan, 1 / (2**bits - 1)  # black, middle grey
    write_normals(tmp_path / "a.png", normals, bits)
    found = read_normals(tmp_path / "a.png")
    assert np.isnan(found[0, :2]).all()
    np.testing.assert_allclose(np.linalg.norm(found[1:], axis=-1), 1, atol=1e-12)
    assert angles_between(found[1:], normals[1:]).max() < degrees


def test_arrays_may_have_channels_first(tmp_path: Path) -> None:
    normals = random_normals(1)
    normals[0, 0], normals[0, 1] = np.nan, 0
    np.save(tmp_path / "a.npy", normals.transpose(2, 0, 1).astype(np.float32))
    found = read_normals(tmp_path / "a.npy")
    assert np.isnan(found[0, :2]).all()
    np.testing.assert_allclose(found[1:], normals[1:], atol=1e-6)


def test_axes_may_point_the_other_way(folder: Path) -> None:
    for number in range(2):
        write_normals(folder / "true" / f"{number}.png", random_normals(number), bits=16)
        turned = random_normals(number) * [1, -1, -1]
        (folder / "found" / "0.png").unlink(missing_ok=True)
        np.save(folder / "found" / f"{number}.npy", turned)
    assert evaluate(folder, negate=("y", "z"))[0].mean < 0.01
    assert evaluate(folder)[0].mean > 10


def test_vectors_of_another_length_are_refused(folder: Path) -> None:
    path = folder / "found" / "1.npy"
    np.save(path, (random_normals(1) + 1) / 2)
    with refuses(DataError, "found/1.npy", "length", "read as x, y, z", "2 x value - 1"):
        evaluate(folder)
    np.save(path, (random_normals(1) + 1) / 2 * 255)
    with refuses(DataError, "found/1.npy", "2 x value / 255 - 1"):
        evaluate(folder)
    np.save(path, 3 * random_normals(1))
    with refuses(DataError, "found/1.npy", "100%", "median length is 3", "Divide"):
        evaluate(folder)
    write_normals(folder / "found" / "0.png", 0.5 * random_normals(1))
    with refuses(DataError, "found/0.png", "0.5", "2 x value / 255 - 1"):
        evaluate(folder)
    np.save(path, 1.05 * random_normals(6))
    write_normals(folder / "found" / "0.png", random_normals(5))
    assert evaluate(folder)[0].pixels == 252


def test_a_missing_prediction_and_another_size_name_the_file(folder: Path) -> None:
    found = random_normals(6)
    found[2, 3] = 0
    np.save(folder / "found" / "1.npy", found)
    with refuses(DataError, "found/1.npy", "1 of 126"):
        evaluate(folder)
    np.save(folder / "found" / "1.npy", found[1:])
    with refuses(DataError, "found/1.npy", "8 x 14", "true/1.png", "9 x 14"):
        evaluate(folder)


def test_files_of_another_kind_are_named(folder: Path) -> None:
    np.save(folder / "found" / "1.npy", np.zeros((4, 5)))
    with refuses(DataError, "found/1.npy", "(4, 5)", "(H, W, 3)"):
        evaluate(folder)
    np.save(folder / "found" / "1.npy", np.full((4, 5, 3), np.inf))
    with refuses(DataError, "found/1.npy", "infinite"):
        evaluate(folder)
    Image.new("L", (14, 9)).save(folder / "found" / "0.png")
    with refuses(DataError, "found/0.png", "grey", "RGB"):
        evaluate(folder)
    path = folder / "true" / "0.png"
    whole = path.read_bytes()
    for broken in (whole[:100], whole[:60] + b"x" + whole[61:]):
        path.write_bytes(broken)
        with refuses(ImageError, "true/0.png", "again"):
            evaluate(folder)
