"""The command that predicts: killed in a process of its own, and continued in this one."""

import io
import json
import os
import signal
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.graphs import CountingCompiler
from helpers.tiny_points import write_point_folder
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_volumes import MODALITIES, write_brats
from PIL import Image

from vision.cli.commands import evaluate
from vision.cli.commands.predict import main
from vision.metrics.file_pairs import pair_files
from vision.metrics.volumes.files import BRATS_REGIONS, evaluate_volumes
from vision.ops.nifti import SUFFIXES
from vision.predict.downloads import download_path
from vision.predict.video import VideoWriter
from vision.weights.model_file import write_model


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_model("classification")
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return write_model(path, model.task.state_dict(), model.description)


def run_here(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def lines_of(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "predictions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_killed_run_goes_on(model_file: Path, tmp_path: Path) -> None:
    names = tuple(f"{i:03}.png" for i in range(60))
    (tmp_path / "in").mkdir()
    for shade, name in enumerate(names):
        Image.new("RGB", (48, 36), (4 * shade, 0, 0)).save(tmp_path / "in" / name)
    out = tmp_path / "out"
    options = [model_file, tmp_path / "in", "--out", out, "--batch-size", 2, "--workers", 1]
    lines = out / "predictions.jsonl"
    child = os.fork()  # a new interpreter would import for seconds what is imported here
    if child == 0:
        os._exit(run_here(*options))
    end = time.monotonic() + 60
    while time.monotonic() < end and not (lines.is_file() and lines.stat().st_size):
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it was still running"
    before = lines.read_bytes()
    count = before.count(b"\n")
    assert 0 < count < 60
    assert run_here(*options) == 0
    assert lines.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert [line["image"] for line in lines_of(out)] == list(names)
    assert len(list((out / "pictures").glob("*.png"))) == 60


def test_exit_statuses_and_messages(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_pictures(tmp_path / "in", ("a.png", "b.png"))
    out = tmp_path / "out"
    assert run_here(model_file, tmp_path / "in", "--out", out, "--json-only") == 0
    text = capsys.readouterr().out
    assert "2 images predicted in " in text
    assert "predictions.jsonl, predictions.csv" in text
    assert not (out / "pictures").exists()
    Path(paths[1]).write_bytes(b"broken")
    assert run_here(model_file, tmp_path / "in", "--out", tmp_path / "new") == 1
    assert "1 image cannot be read: see errors.jsonl" in capsys.readouterr().err
    assert "b.png" in (tmp_path / "new" / "errors.jsonl").read_text()
    wrong: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "absent.ckpt", tmp_path / "in", "--out", out), "there is no"),
        ((model_file, tmp_path / "none", "--out", tmp_path / "x"), "give an image, a folder"),
        ((model_file, tmp_path / "in", "--out", out, "--threshold", 0.7), "another options"),
        ((model_file, tmp_path / "in", "--out", out, "--batch-size", 0), "--batch-size: '0'"),
        ((model_file, tmp_path / "in", "--out", out, "--tile", 64), "accepts a whole image"),
    ]
    for arguments, message in wrong:
        assert run_here(*arguments) == 2
        assert message in capsys.readouterr().err
    assert run_here(model_file, tmp_path / "in", "--out", out, "--tile", "8x") == 2
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


def test_a_compiled_backbone_predicts_the_same(
    model_file: Path,
    tmp_path: Path,
    compiler: CountingCompiler,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_pictures(tmp_path / "in", ("a.png", "b.png"))
    options = (model_file, tmp_path / "in", "--json-only", "--out")
    assert run_here(*options, tmp_path / "plain") == 0
    assert run_here(*options, tmp_path / "compiled", "--compile", "blocks") == 0
    assert compiler.graphs
    found, expected = (lines_of(tmp_path / name) for name in ("compiled", "plain"))
    assert [line["score"] for line in found] == pytest.approx([line["score"] for line in expected])
    capsys.readouterr()
    graphs = ("--compile", "cuda-graphs", "--device", "cpu")
    assert run_here(*options, tmp_path / "graphs", *graphs) == 2
    assert "needs a GPU" in capsys.readouterr().err


def test_videos_and_tiles(tmp_path: Path) -> None:
    model = tiny_model("detection")
    path = write_model(tmp_path / "m.safetensors", model.task.state_dict(), model.description)
    writer = VideoWriter(tmp_path / "film.mp4", (100, 150), Fraction(4))
    for i in range(3):
        writer.write(Image.fromarray(np.full((100, 150, 3), 60 * i, np.uint8)))
    writer.finish()
    arguments = ("--out", tmp_path / "out", "--tile", "64x80", "--overlap", 0.1, "--threshold", 0.3)
    assert run_here(path, tmp_path / "film.mp4", *arguments) == 0
    lines = lines_of(tmp_path / "out")
    assert [line["time_s"] for line in lines] == [0, 0.25, 0.5]
    assert (tmp_path / "out" / "film.mp4").is_file()
    options = json.loads((tmp_path / "out" / "run.json").read_text())["options"]
    assert options["tile"] == [64, 80]


def test_options_of_a_training_are_for_the_dataset_of_a_config(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here("--config", "nothing.yaml", "--ckpt_path", "best") == 2
    assert "there is no config 'nothing.yaml'" in capsys.readouterr().err
    assert run_here("model.ckpt") == 2
    assert "arguments are required: INPUT" in capsys.readouterr().err


def test_what_was_found_is_printed(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "in", tuple(f"{i:02}.png" for i in range(22)))
    assert run_here(model_file, tmp_path / "in", "--out", tmp_path / "out", "--json-only") == 0
    lines = capsys.readouterr().out.splitlines()
    written = lines_of(tmp_path / "out")
    for line, one in zip(lines[:20], written, strict=False):
        assert line == f"{one['image']}: {one['name']} {one['score']:.1%}"
    assert lines[20] == "... (all are in predictions.jsonl)"
    (name, count), *_ = Counter(one["name"] for one in written).most_common()
    assert lines[21].startswith(f"found: {name} ({count})")


def test_paths_on_standard_input(
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = write_pictures(tmp_path, ("b/x.png", "a.png", "c.png"))
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*paths[:2], "absent.png"])))
    monkeypatch.chdir(tmp_path)
    assert run_here(model_file, "-", "--out", "out") == 1
    assert "1 image cannot be read" in capsys.readouterr().err
    assert [line["image"] for line in lines_of(tmp_path / "out")] == ["b/x.png", "a.png"]
    assert (tmp_path / "out/pictures/b/x.png").is_file()
    assert "absent.png" in (tmp_path / "out/errors.jsonl").read_text()


@pytest.mark.parametrize("given", [None, "0"])
def test_large_tensors_come_in_large_pages_unless_the_user_says_otherwise(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    if given is not None:
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given)
    write_pictures(tmp_path, ("a.png",))
    assert run_here(model_file, tmp_path / "a.png", "--out", tmp_path / "out") == 0
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == (given or "1")


def test_addresses_and_cameras(
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path,) = write_pictures(tmp_path, ("a.png",))
    out = tmp_path / "out"
    copy = download_path("https://host.example/a.png", out / "downloads")
    copy.parent.mkdir(parents=True)
    Path(path).rename(copy)  # an earlier call has fetched it
    assert run_here(model_file, "https://host.example/a.png", "--out", out) == 2
    assert "--allow-downloads" in capsys.readouterr().err
    assert (
        run_here(model_file, "https://host.example/a.png", "--out", out, "--allow-downloads") == 0
    )
    assert [line["image"] for line in lines_of(out)] == [copy.name]
    monkeypatch.setattr("vision.predict.camera.DEVICES", tmp_path)
    assert run_here(model_file, "7", "--out", tmp_path / "new") == 2
    assert "camera" in capsys.readouterr().err


def test_subjects_become_labels_that_are_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_brats(tmp_path / "brats", subjects=2, shape=(8, 9, 8))
    model = tiny_model("volumes", modalities=list(MODALITIES), label_values=[0, 1, 2, 4])
    path = write_model(tmp_path / "m.safetensors", model.task.state_dict(), model.description)
    out = tmp_path / "found"
    assert run_here(path, root, "--out", out, "--probabilities", "--no-pictures") == 0
    said = capsys.readouterr().out
    assert "2 subjects predicted in" in said
    assert "predictions.csv, labels, probabilities" in said
    assert len([*(out / "probabilities").iterdir()]) == 2 * 3
    found = evaluate_volumes(
        pair_files(
            root, out / "labels", annotation_suffix="_seg", extensions=SUFFIXES, folders=False
        ),
        BRATS_REGIONS,
    )
    assert found.subjects == ("BraTS2021_00000", "BraTS2021_00001")
    # Bad subjects are listed, and give the exit status of bad images.
    (root / "BraTS2021_00001" / "BraTS2021_00001_t1.nii.gz").write_bytes(b"")
    assert run_here(path, root, "--out", tmp_path / "again", "--no-pictures") == 1
    (line,) = (tmp_path / "again" / "errors.jsonl").read_text().splitlines()
    assert json.loads(line)["image"] == "BraTS2021_00001"


def test_rooms_become_labels_that_are_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_point_folder(tmp_path / "rooms", train=1, val=2)
    model = tiny_model("points", num_classes=4, class_names=list("abcd"))
    path = write_model(tmp_path / "m.safetensors", model.task.state_dict(), model.description)
    out = tmp_path / "found"
    assert run_here(path, root / "val", "--out", out) == 0
    said = capsys.readouterr().out
    assert "2 clouds predicted in" in said
    assert "predictions.csv, labels" in said
    folders = ["--annotations", root / "val", "--predictions", out / "labels"]
    assert evaluate.main(["points", *map(str, folders), "--num-classes", "4"]) == 0
    assert "of 600 points" in capsys.readouterr().out
