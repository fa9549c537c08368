import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.light_commands import HEAVY, evaluate_without
from helpers.random_coco import judge, random_case
from helpers.random_labels import random_maps
from PIL import Image

from vision.cli.commands import evaluate
from vision.contracts.segmentation import IGNORED
from vision.metrics.coco.evaluation import evaluate_coco

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools" / "evaluate.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path, *random_case(2, images=6))


def write(folder: Path, truth: Any, results: Any) -> tuple[Path, Path]:
    paths = folder / "truth.json", folder / "found.json"
    for path, contents in zip(paths, (truth, results), strict=True):
        path.write_text(json.dumps(contents))
    return paths


def options(files: tuple[Path, Path]) -> list[object]:
    return ["coco", "--annotations", files[0], "--predictions", files[1]]


def test_the_tables_and_numbers_are_those_of_pycocotools(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "categories.csv"
    done = run(*options(files), "--json", numbers, "--csv", rows, "--categories")
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(numbers.read_text())
    assert list(written) == ["bbox", "segm"]
    lines = done.stdout.splitlines()
    for kind in written:
        stats, shown = judge(files[0], str(files[1]), kind)
        np.testing.assert_allclose(written[kind], stats, rtol=0, atol=1e-12)
        start = lines.index(f"Evaluate annotation type *{kind}*") + 1
        assert lines[start : start + 12] == shown
    assert rows.read_text().startswith("id,name,objects,crowds,predictions,box_AP,box_AP50,mask_AP")
    assert "class 90" in done.stdout
    assert "6 images in" in lines[-1]


def test_boxes_alone_and_the_other_library(tmp_path: Path) -> None:
    truth, results = random_case(2, images=6, masks=False)
    files, numbers = write(tmp_path, truth, results), tmp_path / "numbers.json"
    done = run(*options(files), "--json", numbers, "--backend", "pycocotools")
    assert done.returncode == 0
    written = json.loads(numbers.read_text())
    assert list(written) == ["bbox"]
    assert written["bbox"] == judge(files[0], str(files[1]), "bbox")[0].tolist()
    assert "segm" not in done.stdout
    assert "by pycocotools" in done.stdout


def test_proposals_are_measured(files: tuple[Path, Path], tmp_path: Path) -> None:
    numbers, rows = tmp_path / "numbers.json", tmp_path / "rows.csv"
    more = ["--class-agnostic", "--max-detections", 5, 300, "--kinds", "bbox"]
    more += ["--json", numbers, "--csv", rows]
    assert evaluate.main([str(one) for one in [*options(files), *more]]) == 0
    expected = evaluate_coco(
        *files, kinds=["bbox"], max_detections=[5, 300], class_agnostic=True, backend="pycocotools"
    )
    written = json.loads(numbers.read_text())["bbox"]
    assert len(written) == 11
    np.testing.assert_allclose(written, expected.stats["bbox"], rtol=0, atol=1e-12)
    assert "(any)" in rows.read_text()
    wrong = [*options(files), "--max-detections", 100, 10]
    assert evaluate.main([str(one) for one in wrong]) == 2


def test_mistakes_end_with_a_message(files: tuple[Path, Path], tmp_path: Path) -> None:
    truth, results = (json.loads(path.read_text()) for path in files)
    results[3]["image_id"] = 4
    files = write(tmp_path, truth, results)
    done = run(*options(files))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: result 3 of '{files[1]}' has image_id 4, which")
    assert "Traceback" not in done.stderr
    done = run(*options((tmp_path / "absent.json", files[1])))
    assert (done.returncode, done.stdout) == (2, "")
    assert "absent.json" in done.stderr
    assert run("coco").returncode == 2
    assert run().returncode == 2


def test_it_does_not_wait_for_torch(files: tuple[Path, Path]) -> None:
    evaluate_without(HEAVY, options(files))


# The last is in no map.
CLASSES = 6


@pytest.fixture
def masks(tmp_path: Path) -> list[object]:
    """The options that name two folders of label images."""
    for i, one in enumerate(random_maps(7, CLASSES - 1, sizes=[(20, 30), (31, 24)], block=8)):
        write_mask(tmp_path / "true" / f"{i}.png", one.target.numpy())
        write_mask(tmp_path / "found" / f"{i}.png", one.predicted.numpy())
    return compared(tmp_path)


def compared(folder: Path) -> list[object]:
    paths = ["--annotations", folder / "true", "--predictions", folder / "found"]
    return ["segmentation", *paths, "--num-classes", CLASSES]


def write_mask(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def shift(folder: Path, name: str, mapping: dict[int, int]) -> None:
    """Exchange the values in the label images of a folder."""
    for path in (folder / name).iterdir():
        labels = np.asarray(Image.open(path))
        write_mask(path, np.vectorize(lambda value: mapping.get(int(value), value))(labels))


def numbers_of(options: list[object], folder: Path, *more: object) -> dict[str, Any]:
    """What the command writes, in this process."""
    path = folder / "numbers.json"
    assert evaluate.main([str(one) for one in [*options, "--json", path, *more]]) == 0
    return json.loads(path.read_text())


def by_hand(folder: Path) -> dict[str, Any]:
    """The numbers by counting in numpy."""
    pairs = np.zeros((CLASSES, CLASSES), np.int64)
    for path in (folder / "true").iterdir():
        target, found = (np.asarray(Image.open(folder / n / path.name)) for n in ("true", "found"))
        np.add.at(pairs, (target[target != IGNORED], found[target != IGNORED]), 1)
    hits, labelled = pairs.diagonal(), pairs.sum(1)
    with np.errstate(invalid="ignore"):
        iou, accuracy = hits / (labelled + pairs.sum(0) - hits), hits / labelled
    return {
        "mIoU": np.nanmean(iou),
        "mAcc": np.nanmean(accuracy),
        "aAcc": hits.sum() / pairs.sum(),
        "IoU": [None if np.isnan(one) else one for one in iou],
        "Acc": [None if np.isnan(one) else one for one in accuracy],
    }


def test_masks_are_measured(
    masks: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "new" / "classes.csv"
    written, expected = numbers_of(masks, tmp_path, "--csv", rows), by_hand(tmp_path)
    assert written["IoU"][5] is None
    for name, value in expected.items():
        ours = np.array(written[name], np.float64)  # NaN for null
        np.testing.assert_allclose(ours, np.array(value, np.float64), rtol=0, atol=1e-12)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "class     IoU     Acc  boundary IoU   share"
    assert f"{expected['mIoU']:.4f}" in lines[-3]
    assert lines[-1].startswith("2 images in ")
    assert lines[-1].endswith(" images/s")
    assert rows.read_text().startswith("class,name,IoU,Acc,BoundaryIoU,share,intersection,union,")
    assert numbers_of(masks, tmp_path, "--workers", 0) == written


def test_classes_have_names(masks: list[object], tmp_path: Path) -> None:
    names = ["road", "a car", "sky", "tree", "wall", "sea"]
    plain = numbers_of(masks, tmp_path)
    named = numbers_of(masks, tmp_path, "--no-boundary", "--classes", *names)
    assert named["IoU"] == dict(zip(names, plain["IoU"], strict=True))
    assert "BoundaryIoU" in plain
    assert "BoundaryIoU" not in named
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    again = numbers_of(masks, tmp_path, "--no-boundary", "--classes", tmp_path / "names.txt")
    assert again == named


def test_files_may_begin_with_one(masks: list[object], tmp_path: Path) -> None:
    expected = numbers_of(masks, tmp_path)
    later = {IGNORED: 0, **{k: k + 1 for k in range(CLASSES)}}
    shift(tmp_path, "true", later)
    assert numbers_of(masks, tmp_path, "--reduce-zero-label", "annotations") == expected
    shift(tmp_path, "found", later)
    assert numbers_of(masks, tmp_path, "--reduce-zero-label") == expected


def test_other_values_may_be_ignored(masks: list[object], tmp_path: Path) -> None:
    expected = numbers_of(masks, tmp_path)
    shift(tmp_path, "true", {IGNORED: 77})
    assert numbers_of(masks, tmp_path, "--ignore", 77) == expected
    assert numbers_of(masks, tmp_path, "--ignore", IGNORED, 77) == expected
    assert evaluate.main([*map(str, masks)]) == 2
    # A class that is not measured, though it is predicted.
    shift(tmp_path, "true", {77: 2})
    found = numbers_of(masks, tmp_path, "--ignore", 2)
    shift(tmp_path, "true", {2: IGNORED})
    assert found == numbers_of(masks, tmp_path)
    assert found["Acc"][2] is None


def test_mistakes_in_masks_end_with_a_message(
    masks: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(*more: object) -> str:
        assert evaluate.main([str(one) for one in [*masks, *more]]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        return shown.err

    assert "2 class names for 6 classes" in message("--classes", "a", "b")
    shift(tmp_path, "found", {3: 6})
    text = message()
    assert "found/" in text
    assert "has the value 6 in" in text
    assert "--reduce-zero-label" in text
    shift(tmp_path, "found", {6: 3})
    shift(tmp_path, "true", {3: 200})
    text = message()
    assert "true/" in text
    assert "has the value 200 in" in text
    (tmp_path / "true/0.png").unlink()
    assert "no annotation" in message()
    (tmp_path / "found/0.png").unlink()
    (tmp_path / "found/1.png").write_bytes(b"<html>")
    shift(tmp_path, "true", {200: 3})
    assert "found/1.png" in message()


@pytest.mark.parametrize("number", [0, 256, "many"])
def test_numbers_of_classes_are_checked(
    masks: list[object], number: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([*map(str, masks), "--num-classes", str(number)]) == 2
    assert f"'{number}' is not a whole number from 1 to 255" in capsys.readouterr().err


def test_masks_do_not_wait_for_lightning(masks: list[object]) -> None:
    evaluate_without(("lightning", "torchvision", "matplotlib"), masks)
