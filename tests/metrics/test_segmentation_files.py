from pathlib import Path

import numpy as np
import pytest
from helpers.random_labels import Maps, random_maps
from helpers.refusals import refuses
from PIL import Image

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError, DataError, ImageError
from vision.metrics.file_pairs import FilePair, pair_files
from vision.metrics.segmentation import SegmentationEvaluator
from vision.metrics.segmentation_files import evaluate_labels

CLASSES = 6
NAMES = ["a/x.png", "a/y.png", "b/x.png", "z.png", "b/c/q.v2.png"]


def write(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)
    return path


@pytest.fixture
def maps() -> list[Maps]:
    return random_maps(4, CLASSES, sizes=[(20, 31 + i) for i in range(len(NAMES))], block=9)


@pytest.fixture
def folders(tmp_path: Path, maps: list[Maps]) -> tuple[Path, Path]:
    """Annotations and predictions."""
    for name, one in zip(NAMES, maps, strict=True):
        write(tmp_path / "true" / name, one.target.numpy().astype(np.uint8))
        write(tmp_path / "found" / name, one.predicted.numpy().astype(np.uint8))
    return tmp_path / "true", tmp_path / "found"


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_files_count_as_their_maps(
    folders: tuple[Path, Path], maps: list[Maps], workers: int
) -> None:
    evaluator = SegmentationEvaluator(CLASSES)
    for one in maps:
        evaluator.update(*one)
    names = [f"class {k}" for k in range(CLASSES)]
    result = evaluate_labels(pair_files(*folders), CLASSES, class_names=names, workers=workers)
    assert result.to_json() == evaluator.compute(names).to_json()
    assert result.images == len(NAMES)


@pytest.mark.parametrize("workers", [0, 2])
def test_sizes_that_differ_are_named(folders: tuple[Path, Path], workers: int) -> None:
    write(folders[1] / "b/x.png", np.zeros((33, 20), np.uint8))
    with refuses(DataError, "found/b/x.png", "33 x 20", "true/b/x.png", "20 x 33"):
        evaluate_labels(pair_files(*folders), CLASSES, workers=workers)


def test_wrong_values_are_named(folders: tuple[Path, Path], maps: list[Maps]) -> None:
    path = folders[1] / NAMES[1]
    found = maps[1].predicted.numpy().astype(np.uint16)
    found[maps[1].target != IGNORED] = 300
    write(path, found)
    with refuses(DataError, "found/a/y.png", "true/a/y.png", "300"):
        evaluate_labels(pair_files(*folders), CLASSES)
    found[found == 300] = 0
    write(path, found)
    evaluate_labels(pair_files(*folders), CLASSES)
    write(folders[0] / NAMES[1], np.full(found.shape, 6, np.uint8))
    with refuses(DataError, "true/a/y.png", "640 pixels"):
        evaluate_labels(pair_files(*folders), CLASSES)


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_files_are_named(folders: tuple[Path, Path], workers: int) -> None:
    path = folders[1] / NAMES[1]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ImageError, match=r"found/a/y\.png"):
        evaluate_labels(pair_files(*folders), CLASSES, workers=workers)
    write(path, np.zeros((20, 32, 3), np.uint8))
    with refuses(DataError, "found/a/y.png", "RGB"):
        evaluate_labels(pair_files(*folders), CLASSES, workers=workers)


def test_values_may_mean_other_classes(folders: tuple[Path, Path]) -> None:
    seen = []

    def upside_down(labels: np.ndarray, path: Path) -> np.ndarray:
        seen.append(path)
        return np.where(labels == IGNORED, labels, CLASSES - 1 - labels).astype(np.uint8)

    pairs = pair_files(*folders)
    plain = evaluate_labels(pairs, CLASSES)
    turned = evaluate_labels(
        pairs, CLASSES, annotation_classes=upside_down, prediction_classes=upside_down
    )
    np.testing.assert_array_equal(turned.confusion, plain.confusion[::-1, ::-1])
    assert seen == [path for pair in pairs for path in pair]


def test_names_are_counted_before_files_are_read(tmp_path: Path) -> None:
    absent = [FilePair(tmp_path / "a.png", tmp_path / "b.png")]
    with refuses(ConfigError, "1 class", "6 classes"):
        evaluate_labels(absent, CLASSES, class_names=["a"])
