import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_coco import judge, random_case

ROOT = Path(__file__).parents[2]


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
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
import evaluate
assert evaluate.main({[str(one) for one in options(files)]!r}) == 0
print([name for name in ("torch", "lightning", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
