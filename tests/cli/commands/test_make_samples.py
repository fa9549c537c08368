"""The command that composes datasets: in a process of its own once, the rest in this one."""

import hashlib
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from vision.data.synthetic.coco import write_coco
from vision.data.synthetic.splits import SceneSamples

SCRIPT = Path(__file__).parents[3] / "tools" / "make_samples.py"
SAMPLES = SceneSamples(train=5, val=2, test=1, size=112, seed=5)
needs_h5py = pytest.mark.skipif(find_spec("h5py") is None, reason="h5py is not installed")
needs_skimage = pytest.mark.skipif(
    find_spec("skimage") is None, reason="scikit-image, which has the photograph, is not installed"
)
needs_nibabel = pytest.mark.skipif(find_spec("nibabel") is None, reason="nibabel is not installed")
needs_nilearn = pytest.mark.skipif(
    find_spec("nilearn") is None, reason="nilearn, which has the average brain, is not installed"
)
OPTIONS = ("--train", 5, "--val", 2, "--test", 1, "--size", 112, "--seed", 5)


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    """Run the command in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return stop.value.code


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "coco", "--root", tmp_path / "coco", *OPTIONS]
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=SCRIPT.parents[1], check=False
    )
    assert result.returncode == 0, result.stderr
    assert "train: 5 images" in result.stdout
    assert "test: 1 image, 0 annotations" in result.stdout
    write_coco(tmp_path / "here", SAMPLES)
    assert digests(tmp_path / "here") == digests(tmp_path / "coco")
    assert len(digests(tmp_path / "here")) == 5 + 2 + 1 + 3 + 1


FLAT = ("--train", 5, "--val", 2, "--test", 1, "--size", 160, "--seed", 5)
STREETS = ("--train", 2, "--val", 1, "--test", 1, "--size", 160, "--seed", 5)
HEADS = ("--subjects", 2, "--size", 16, "--seed", 5)
ROOMS = ("--train", 2, "--val", 1, "--size", 96, "--seed", 5)


@pytest.mark.parametrize(
    ("name", "options", "files"),
    [
        ("lvis", FLAT, 5 + 2 + 1 + 3 + 1),
        ("ade20k", FLAT, 5 * 2 + 2 * 2 + 1 + 3),
        ("cityscapes", FLAT, (5 + 2 + 1) * 5 + 1),
        ("panoptic", (*ROOMS, "--test", 1), (2 + 1) * 2 + 1 + 3 + 1),
        pytest.param("nyuv2", ROOMS, (2 + 1) * 4 + 2 + 1, marks=needs_h5py),
        ("kitti_depth", ROOMS, (2 + 1) * 3 + 2 + 1),
        ("kitti", STREETS, (2 + 1) * 4 + 1 * 3 + 4 + 1),
        pytest.param("motorcycle", (), 2 * 2 + 1 + 1 + 1, marks=needs_skimage),
        pytest.param("brats", HEADS, 2 * 5 + 1, marks=needs_nibabel),
        ("s3dis", ("--rooms", 7, "--density", 20, "--seed", 5), 7 + 1),
        pytest.param("mni", (), 2 * 2 + 1 + 1, marks=needs_nilearn),
    ],
)
def test_every_layout_is_the_same_for_a_seed(
    name: str,
    options: tuple[object, ...],
    files: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for root in ("first", "second"):
        assert run_here(monkeypatch, name, "--root", tmp_path / root, *options) == 0
    unit = {"brats": "volume", "mni": "volume", "s3dis": "room"}.get(name, "image")
    assert f" {unit}" in capsys.readouterr().out
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert len(digests(tmp_path / "first")) == files


def test_a_folder_of_others_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run_here(monkeypatch, "coco", "--root", tmp_path, *OPTIONS) == 2
    assert "is not a folder that was made by" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_bad_options_end_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "coco"
    assert run_here(monkeypatch, "coco", "--root", root, "--size", 32) == 2
    assert "size=32 must be at least 96" in capsys.readouterr().err
    assert not root.exists()
    assert run_here(monkeypatch) == 2
    assert "DATASET" in capsys.readouterr().err
