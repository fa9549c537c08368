import json
import math
from pathlib import Path

from helpers.refusals import refuses
from helpers.run_folders import CONFIG, VALIDATED, write_checkpoint, write_metrics, write_run
from helpers.tiny_task import tiny_task

from vision.errors import ConfigError
from vision.report.runs import find_runs, flatten, read_lines, read_run, read_runs


def test_the_best_of_a_loss_is_the_least_and_of_others_the_largest(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"), name="run")
    assert [run.best("val/loss"), run.last("val/loss")] == [1.0, 1.25]
    assert [run.best("val/top1"), run.last("val/top1")] == [0.75, 0.625]
    assert run.lines["val/top1"].step == [9, 19, 29]
    assert run.lines["val/top1"].epoch == [0, 1, 2]
    assert "train/loss" not in run.lines
    assert run.best("val/mIoU") is None
    assert run.last("val/mIoU") is None


def test_values_that_are_no_numbers_are_never_the_best(tmp_path: Path) -> None:
    rows = [
        {"epoch": 0, "step": 1, "val/loss": 2.0, "val/box_AP": 0.1, "val/box_AP_small": -1.0},
        {"epoch": 1, "step": 2, "val/loss": "nan", "val/box_AP": "inf", "val/box_AP_small": -1.0},
    ]
    run = read_run(write_run(tmp_path, rows), name="run")
    assert run.best("val/loss") == 2.0
    assert run.best("val/box_AP") == 0.1
    # That a run has failed is not hidden.
    assert math.isnan(run.last("val/loss") or 0)
    # COCO's sign of nothing to find.
    assert "val/box_AP_small" not in run.lines


def test_torn_rows_are_passed_over_and_noted(tmp_path: Path) -> None:
    file = write_metrics(tmp_path, VALIDATED)
    with file.open("ab") as end:
        end.write(b"3,\xff\x00")
    notes: list[str] = []
    lines = read_lines(file, notes)
    assert lines["val/top1"].value == [0.5, 0.75, 0.625]
    assert notes == [f"{file}: 1 rows without a step were skipped"]


def test_keys_are_those_of_the_command_line_without_those_of_the_run_itself() -> None:
    flat = flatten({**CONFIG, "ckpt_path": "last", "callbacks": {}})
    assert flat == {
        "seed_everything": 0,
        "trainer.max_epochs": 3,
        "trainer.accumulate_grad_batches": 2,
        "model": "vision.tasks.Classification",
        "model.backbone": "convnext",
        "model.optim.lr": 0.002,
        "data": "vision.data.Digits",
        "data.batch_size": 64,
        "callbacks": {},
    }


def test_runs_are_found_by_folder_checkpoint_and_name(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        write_metrics(tmp_path / "runs" / "digits" / f"version_{number}", VALIDATED)
    (tmp_path / "runs" / "digits" / "version_3").mkdir()  # never trained
    runs = tmp_path / "runs" / "digits"
    checkpoint = runs / "version_2" / "checkpoints" / "last.ckpt"
    write_checkpoint(checkpoint, tiny_task())
    versions = [runs / "version_0", runs / "version_2", runs / "version_10"]
    assert find_runs([runs]) == [(folder, None) for folder in versions]
    given = [runs / "version_10", checkpoint, runs / "version_10"]
    assert find_runs(given) == [(versions[2], None), (versions[1], checkpoint)]
    names = [run.name for run in read_runs([runs / "version_10", checkpoint])]
    assert names == ["digits/version_10", "digits/version_2/checkpoints/last.ckpt"]


def test_names_are_long_enough_to_differ(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / place / "digits" / "version_0") for place in ("a", "b")]
    assert [run.name for run in read_runs(folders)] == [
        "a/digits/version_0",
        "b/digits/version_0",
    ]


def test_what_is_no_run_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_metrics(tmp_path / "digits", VALIDATED)
    with refuses(ConfigError, "no run", "Did you mean", "digits"):
        find_runs([tmp_path / "digit"])
    (tmp_path / "empty").mkdir()
    with refuses(ConfigError, "folder", "runs/NAME/version_N"):
        find_runs([tmp_path / "empty"])
    loose = tmp_path / "loose.ckpt"
    loose.write_bytes(b"")
    with refuses(ConfigError, "loose.ckpt", "checkpoint"):
        find_runs([loose])


def test_damaged_files_are_notes_that_name_them(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [], starts=[])
    (folder / "config.yaml").write_text("a: [1")
    (folder / "env.json").write_text("{")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.ckpt").write_bytes(b"PK nothing")
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "report.json").write_text("[]")
    (folder / "events.out.tfevents.1").write_bytes(b"nothing that is a record of an event")
    run = read_run(folder, name="run")
    noted = {
        Path(note.split("'")[1] if note.startswith("'") else note.split(": ")[0])
        .relative_to(folder)
        .as_posix()
        for note in run.notes
    }
    assert {
        "metrics.csv",
        "config.yaml",
        "env.json",
        "checkpoints/best.ckpt",
        "evaluation/report.json",
    } <= noted
    assert (run.lines, run.config, run.evaluation, run.kind) == ({}, {}, {}, None)
    assert run.size.parameters is None
    assert run.size.checkpoint == 10


def test_absent_files_are_notes_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: x\n")
    run = read_run(tmp_path, name="run")
    assert any(f"{tmp_path / 'metrics.csv'}: no metrics" in note for note in run.notes)
    assert any("no best.ckpt and no last.ckpt" in note for note in run.notes)


def test_an_evaluation_gives_its_numbers(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    (folder / "evaluation").mkdir()
    report = {
        "kind": "classification",
        "classes": [],
        "metrics": {"val/top1": 0.5, "val/nothing": None, "val/none": -1.0},
        "calibration": {"ece": 0.125},
    }
    (folder / "evaluation" / "report.json").write_text(json.dumps(report))
    assert read_run(folder, name="run").evaluation == {"val/top1": 0.5, "ece": 0.125}


def test_the_task_and_the_model_come_from_the_checkpoint_and_else_from_the_config(
    tmp_path: Path,
) -> None:
    folder = write_run(tmp_path)
    before = read_run(folder, name="run")
    assert (before.kind, before.model) == ("classification", None)
    write_checkpoint(folder / "checkpoints" / "best.ckpt", tiny_task())
    after = read_run(folder, name="run")
    assert (after.kind, after.model, after.epoch, after.step) == (
        "classification",
        "convnext",
        0,
        0,
    )
