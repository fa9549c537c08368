"""Trained models of each task, evaluated by the tool: the numbers are those of `validate`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_masks import write_mask_folder
from helpers.train_runs import start_in_two, succeed

from vision.cli.app import run
from vision.cli.commands import evaluate as tool

CONFIGS = {
    "classification": """
model:
  class_path: Classification
  init_args: {backbone: convnext, backbone_options: {dims: [8, 8, 16, 16], depths: [1, 1, 1, 1]}}
data: {class_path: Digits, init_args: {batch_size: 100, num_workers: 0}}
""",
    "detection": """
model:
  class_path: Detection
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 8, 16, 16], depths: [1, 1, 1, 1]}
    detector: fcos
    neck_options: {out_channels: 8}
    head_options:
      {channels: 8, num_convs: 1, num_groups: 4, score_threshold: 0.0, max_per_image: 20}
data:
  class_path: COCO
  init_args: {root: coco, cache_dir: null, short_side: 64, batch_size: 2, num_workers: 0}
""",
    "segmentation": """
model:
  class_path: Segmentation
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 8, 16, 16], depths: [1, 1, 1, 1]}
    segmentor: segformer
    head_options: {channels: 8}
data:
  class_path: MaskFolder
  init_args:
    {root: masks, short_side: 32, augment: {short_side: 32, crop: [32, 32]}, batch_size: 2,
     num_workers: 0}
""",
}
TRAINER = """
trainer: {max_steps: 1, max_epochs: -1, accelerator: cpu, num_sanity_val_steps: 0,
  enable_progress_bar: false, limit_train_batches: 1}
threads: 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, the present one, and a run of each task."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_tiny_coco(folder / "coco", images=4)
    write_mask_folder(folder / "masks", counts={"train": 2, "val": 3})
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        for kind, text in CONFIGS.items():
            (folder / f"{kind}.yaml").write_text(f"name: {kind}{text}{TRAINER}")
            run("fit", ["--config", f"{kind}.yaml"])
        yield folder


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_metrics_are_those_that_validate_logs(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / "runs" / kind / "version_0"
    assert tool.main(["model", str(place)]) == 0
    report = report_of(place / "evaluation")
    best = str(place / "checkpoints" / "best.ckpt")
    alone = run("validate", ["--config", str(place / "config.yaml"), "--ckpt_path", best])
    logged = {name: float(value) for name, value in alone.trainer.callback_metrics.items()}
    assert len(logged) >= 3
    assert report["metrics"] == logged
    assert report["model"]["step"] == 1
    assert (place / "evaluation" / "report.html").is_file()
    assert f"{report['images']} images; the report is" in capsys.readouterr().out


def test_two_processes_make_the_report_of_one(folder: Path) -> None:
    commands = []
    for kind in ("detection", "segmentation"):
        # One image at a time: in a batch others change how far it is padded.
        alone = ["model", f"runs/{kind}/version_0", "--data.batch_size", "1"]
        assert tool.main([*alone, "--out", f"one/{kind}"]) == 0
        together = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
        commands.append([*alone, "--out", f"two/{kind}", *together])
    succeed(start_in_two(folder, *commands, script="evaluate_commands.py"))
    for kind in ("detection", "segmentation"):
        one, two = (folder / name / kind for name in ("one", "two"))
        assert report_of(two)["images"] == report_of(one)["images"] > 2
        for part in ("metrics", "classes", "confusion", "calibration"):
            assert report_of(two)[part] == report_of(one)[part], part
        assert (two / "images.csv").read_bytes() == (one / "images.csv").read_bytes()


def test_options_reach_the_data_and_another_run_is_evaluated_on_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / "runs" / "segmentation" / "version_0"
    other = shutil.copytree(place, folder / "other")
    shutil.rmtree(other / "evaluation", ignore_errors=True)
    arguments = ["model", str(place / "checkpoints" / "last.ckpt"), "--out", "own"]
    arguments += ["--against", str(other), "--limit", "1", "--data.batch_size", "1"]
    assert tool.main(arguments) == 0
    assert "has no report yet" in capsys.readouterr().out
    assert not (other / "evaluation").exists()
    for report in (report_of(folder / "own"), report_of(other / "evaluation_part")):
        assert report["images"] == 1
        assert report["data"]["batch_size"] == 1
    differences = report_of(folder / "own")["against"]["metrics"]
    assert {row["difference"] for row in differences} == {0.0}


def test_a_part_of_a_set_never_replaces_the_results_of_the_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / "runs" / "segmentation" / "version_0"
    assert tool.main(["model", str(place)]) == 0
    whole = {
        path: path.read_bytes()
        for name in ("validation", "evaluation")
        for path in (place / name).rglob("*")
        if path.is_file()
    }
    assert len(whole) > 5
    capsys.readouterr()
    limited = ["model", str(place), "--limit", "1", "--data.batch_size", "1"]
    assert tool.main(limited) == 0
    out = capsys.readouterr().out
    assert "its results go to" in out
    assert "validation_part" in out
    assert "1 of 3 images; the report is" in out
    assert all(path.read_bytes() == data for path, data in whole.items())
    assert len(list((place / "validation_part" / "masks").iterdir())) == 1
    report = report_of(place / "evaluation_part")
    assert (report["images"], report["part_of"]) == (1, 3)
    assert report_of(place / "evaluation")["part_of"] is None
    page = (place / "evaluation_part" / "report.html").read_text()
    assert "1 of 3 images" in page
    assert "Only a part of the set was evaluated" in page
    link = place / "validation_part" / "masks" / "elsewhere"
    link.symlink_to(folder)
    assert tool.main(limited) == 2
    assert "is a link to" in capsys.readouterr().err
    link.unlink()


def test_a_file_of_weights_needs_the_config_of_the_data_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vision.predict.load import load
    from vision.weights.model_file import write_model

    place = folder / "runs" / "classification" / "version_0"
    model = load(place)
    write_model(folder / "hub" / "model.safetensors", model.task.state_dict(), model.description)
    (folder / "data.yaml").write_text("data: {class_path: Digits, init_args: {num_workers: 0}}\n")
    trainer = ["--trainer.accelerator", "cpu"]
    assert tool.main(["model", "hub"]) == 2
    assert "give --config FILE with the data" in capsys.readouterr().err
    assert tool.main(["model", "hub", "--config", "data.yaml", "--split", "test", *trainer]) == 0
    report = report_of(folder / "hub" / "evaluation_test")
    best = str(place / "checkpoints" / "best.ckpt")
    alone = run("test", ["--config", str(place / "config.yaml"), "--ckpt_path", best])
    logged = {name: float(value) for name, value in alone.trainer.callback_metrics.items()}
    assert report["metrics"] == pytest.approx(logged, abs=1e-6)
    assert report["split"] == "test"


def test_mistakes_end_with_a_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["model", "absent"]) == 2
    assert "there is no 'absent' to evaluate" in capsys.readouterr().err
    assert tool.main(["model", str(folder / "coco")]) == 2
    assert "holds no model" in capsys.readouterr().err
    place = str(folder / "runs" / "classification" / "version_0")
    assert tool.main(["model", place, "--against", "absent"]) == 2
    assert "no such run or report" in capsys.readouterr().err
    assert tool.main(["model", place, "--limit", "0"]) == 2
    assert "--limit: '0'" in capsys.readouterr().err
    assert tool.main(["coco", "--annotations", "a", "--predictions", "b", "--data.root", "c"]) == 2
    assert "unrecognized arguments: --data.root" in capsys.readouterr().err
