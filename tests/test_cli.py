"""The command line: what it accepts, and that mistakes end in a short message and exit code 2."""

import csv
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.undrawn import undrawn
from PIL import Image

from vision.cli.main import main
from vision.cli.names import CLASSES, find_class
from vision.cli.runs import find_checkpoint, new_run_folder
from vision.errors import ConfigError, MissingPackageError
from vision.losses.classification import ClassificationLoss

ROOT = Path(__file__).parents[1]
QUICKSTART = "configs/classification/digits/convnext_linear.yaml"
TINY_OPTIONS = "{dims: [8, 8], depths: [1, 1], layer_scale: 1.0}"
FEW_BATCHES = [
    *("--trainer.max_epochs", "1"),
    *("--trainer.limit_train_batches", "2"),
    *("--trainer.limit_val_batches", "2"),
    *("--trainer.limit_test_batches", "2"),
    *("--trainer.limit_predict_batches", "2"),
    *("--trainer.num_sanity_val_steps", "0"),
    *("--model.backbone_options", TINY_OPTIONS),
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty current directory, undrawn: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [str(ROOT / "train.py"), *argv])
        with undrawn():
            code = main(argv)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command line that has a mistake; returns the message."""

    def refused(*argv: str) -> str:
        code, _, message = run(*argv)
        assert code == 2
        assert message.startswith("error: ")
        assert "Traceback" not in message
        assert len(message.splitlines()) <= 8
        assert not Path("runs").exists()
        return message

    return refused


def make_images(root: Path, *, classes: int = 2, count: int = 4) -> Path:
    """A folder of one folder per class, with images of different sizes and kinds."""
    for label in range(classes):
        folder = root / f"class_{label}"
        folder.mkdir(parents=True)
        for i in range(count):
            mode = ("RGB", "L", "RGBA")[i % 3]
            color = {"RGB": (label * 80, i, 0), "L": i, "RGBA": (0, label * 80, i, 128)}[mode]
            Image.new(mode, (40 + 9 * i, 64 - 7 * i), color).save(folder / f"{i}.png")
    return root


# ------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--model.optim.lrr", "1"], ["'model.optim.lrr'", "'model.optim.lr'"]),
        (["--model.grad_checkpointing", "true"], ["model.memory: checkpoint"]),
        (["--model.lr", "1"], ["'model.lr'", "'model.optim.lr'"]),
        (["--trainer.max_epoch", "3"], ["'trainer.max_epoch'", "'trainer.max_epochs'"]),
        (["--data.sead", "3"], ["'data.sead'", "'data.seed'"]),
        (["--nam", "x"], ["'nam'", "'name'"]),
        (["--batchsize", "3"], ["'batchsize'", "'data.batch_size'"]),
        (["--max_epochs", "3"], ["'max_epochs'", "'trainer.max_epochs'"]),
        (["--model.optim.lr", "fast"], ["model.optim.lr", "'fast'", "float"]),
        (["--model.optim", "{lr: fast}"], ["model.optim.lr", "'fast'", "float"]),
        (["--model.optim", "{lrr: 1}"], ["'model.optim.lrr'", "'model.optim.lr'"]),
        (["--trainer.max_epochs", "1.5"], ["trainer.max_epochs", "'1.5'", "int or null"]),
        (["--data.augment", "maybe"], ["data.augment", "'maybe'", "true or false"]),
        (["--trainer.precision", "bf16-mixd"], ["trainer.precision", "Did you mean 'bf16-mixed'"]),
        (["--model.optim.lr"], ["--model.optim.lr needs a value", "float"]),
        (["--model", "Clasification"], ["'Clasification'", "'Classification'?"]),
        (["--data", "ImagFolder"], ["'ImagFolder'", "Did you mean 'ImageFolder'"]),
        (["--data", "vision.data.Digit"], ["'vision.data.Digit'", "'vision.data.Digits'"]),
        (["--data", "vision.tasks.Classification"], ["not a dataset", "vision.data.DataModule"]),
        (["--data", "ImageFolder"], ["ImageFolder needs data.root", "--data.root"]),
        (["--model.backbone", "swin_tinny"], ["'swin_tinny'", "'swin_tiny'"]),
        (["--model.backbone_options.dim", "3"], ["'dim'", "'dims'"]),
        (["--model.num_classes", "7"], ["num_classes=7", "10"]),
        (["--trainer.accelerator", "cuda_"], ["trainer.accelerator=cuda_", "auto"]),
        (["--trainer", "3"], ["trainer"]),
        (["--threads", "0"], ["--threads=0", "from 1 to"]),
        (["0.5"], ["'0.5' is not an option", "--key value"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_in_an_option_names_it_and_the_remedy(
    refused: Callable[..., str], argv: list[str], words: list[str]
) -> None:
    message = refused("fit", "--config", QUICKSTART, *argv)
    for word in words:
        assert word in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_asking_for_a_gpu_without_one(refused: Callable[..., str]) -> None:
    message = refused("fit", "--config", QUICKSTART, "--trainer.accelerator", "gpu")
    assert "trainer.accelerator=gpu" in message
    assert "--trainer.accelerator auto" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer:\n  max_epochs: 1\n   devices: 1\n", ["line 3", "indentation", "devices: 1"]),
        ("trainer:\n\tmax_epochs: 1\n", ["line 2", "indentation"]),
        ("max_epochs: 1\n", ["'max_epochs'", "line 1", "'trainer.max_epochs'"]),
        ("trainer:\n  max_epochz: 1\n", ["line 2", "'trainer.max_epochs'"]),
        ("trainer:\n  max_epochs: soon\n", ["line 2", "'soon'", "int or null"]),
        ("model:\n  init_args:\n    optim:\n      lrr: 1\n", ["line 4", "'model.optim.lr'"]),
        ("name: a\nname: b\n", ["line 2", "'name'", "line 1"]),
        ("just words", ["no 'key: value'"]),
    ],
)
def test_a_mistake_in_a_config_names_file_and_line(
    refused: Callable[..., str], tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "own.yaml").write_text(text)
    message = refused("fit", "--config", QUICKSTART, "--config", "own.yaml")
    for word in ["own.yaml", *words]:
        assert word in message


def test_a_class_option_that_is_not_below_init_args(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text("model:\n  frozen_stages: 1\n")
    message = refused("fit", "--config", "own.yaml", "--config", QUICKSTART)
    assert "'model.frozen_stages' (own.yaml, line 2)" in message
    assert "'model.init_args.frozen_stages'" in message


def test_a_config_that_does_not_exist(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text("name: x\n")
    message = refused("fit", "--config", "digit.yaml")
    assert str(tmp_path / "digit.yaml") in message
    assert "'digits.yaml'?" in message


def test_a_command_without_config_says_what_it_needs(refused: Callable[..., str]) -> None:
    message = refused("fit")
    assert "--config FILE.yaml" in message
    assert "--model Classification --data Digits" in message


def test_a_mistyped_command(refused: Callable[..., str]) -> None:
    assert "Did you mean 'validate'?" in refused("validat")
    assert "train.py fit --config" in refused("--config", "x.yaml")


def test_a_missing_data_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    options = ["--data", "ImageFolder", "--data.root", str(tmp_path / "nowhere")]
    message = refused("fit", "--config", QUICKSTART, *options)
    assert "nowhere" in message
    assert "ROOT/train/CLASS" in message


def test_wrong_class_count_of_a_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    root = make_images(tmp_path / "images", classes=3)
    options = ["--data", "ImageFolder", "--data.root", str(root), "--data.num_workers", "0"]
    message = refused("fit", "--config", QUICKSTART, *options)
    assert "num_classes=10" in message
    assert "3 classes" in message


def test_wrong_weights_files(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>not found</html>")
    torch.save({"some.weight": torch.zeros(3)}, tmp_path / "plain.pth")
    assert "page.pth" in refused("fit", "--config", QUICKSTART, "--model.weights", "page.pth")
    validate = ["validate", "--config", QUICKSTART, "--ckpt_path"]
    assert "not a checkpoint of a run" in refused(*validate, "page.pth")
    assert "--model.weights" in refused(*validate, "plain.pth")
    assert "no such file" in refused(*validate, "absent.ckpt")
    assert "--name" in refused(*validate, "best")


def test_a_missing_package(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise MissingPackageError("this needs 'nothing': pip install nothing")

    monkeypatch.setattr("vision.tasks.build.create_backbone", build)
    assert "pip install nothing" in refused("fit", "--config", QUICKSTART)


def test_evaluation_needs_weights(refused: Callable[..., str]) -> None:
    for command in ("validate", "test", "predict"):
        assert "--ckpt_path" in refused(command, "--config", QUICKSTART)


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, stage: str) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("vision.data.datasets.digits.Digits.setup", broken)
    with pytest.raises(ZeroDivisionError):
        run("fit", "--config", QUICKSTART, *FEW_BATCHES)


# ------------------------------------------------------------------------------- help and config


def test_help_lists_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in ("fit", "validate", "test", "predict"):
        assert command in out


def test_all_help_of_a_command_lists_trainer_task_and_data_options(run: Run) -> None:
    code, out, _ = run("fit", "--help", "all")
    assert code == 0
    for option in ("--trainer.max_epochs", "--model.optim.lr", "--data.image_size", "--data.root"):
        assert f"\n  {option} " in out
    assert "Learning rate at the end of the warm-up." in out
    assert not Path("runs").exists()


def test_print_config_resolves_files_and_overrides(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("trainer: {max_epochs: 3}\ndata: {class_path: Digits}\n")
    configs = ["--config", QUICKSTART, "--config", "own.yaml", "--model.optim.lr=1e-4"]
    code, out, _ = run("fit", *configs, "--print_config")
    assert code == 0
    assert "max_epochs: 3" in out
    assert "lr: 0.0001" in out
    assert "class_path: vision.tasks.Classification" in out
    assert "batch_size: 64" in out
    assert not Path("runs").exists()


def test_short_names_are_those_of_the_classes() -> None:
    for group, names in CLASSES.items():
        for name, path in names.items():
            assert find_class(group, name, source="").__name__ == name
            assert find_class(group, path, source="") is find_class(group, name, source="")


# ---------------------------------------------------------------------------------- run folders


def test_run_folders_count_up(tmp_path: Path) -> None:
    assert new_run_folder(tmp_path, None).name == "version_0"
    (tmp_path / "version_7").mkdir()
    (tmp_path / "version_x").mkdir()
    assert new_run_folder(tmp_path, None).name == "version_8"
    assert new_run_folder(tmp_path, None, create=False).name == "version_9"
    assert not (tmp_path / "version_9").exists()


def test_a_named_version_must_be_empty(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "trial")
    assert new_run_folder(tmp_path, "trial") == folder
    (folder / "config.yaml").touch()
    with refuses(ConfigError, "trial", "not empty"):
        new_run_folder(tmp_path, "trial")


def test_runs_that_start_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_folder(tmp_path, None), range(24)))
    assert len(set(folders)) == 24
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(new_run_folder, tmp_path / "a", None) for _ in range(8)]
    assert len({future.result() for future in futures}) == 8


def test_best_is_that_of_the_newest_run_that_has_one(tmp_path: Path) -> None:
    for version in (2, 10):
        folder = tmp_path / f"version_{version}" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "best.ckpt").touch()
    (tmp_path / "version_11").mkdir()
    assert find_checkpoint("best", tmp_path).parts[-3] == "version_10"
    assert find_checkpoint("best", tmp_path, "version_2").parts[-3] == "version_2"


# ------------------------------------------------------------------------------- whole commands


def test_fit_then_evaluate_then_resume(run: Run) -> None:
    code, out, err = run("fit", "--config", QUICKSTART, *FEW_BATCHES)
    assert code == 0, err
    folder = Path("runs/digits_convnext/version_0")
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "metrics.csv", "checkpoints", "predictions.png"} <= names
    assert {"env.json", "metrics.jsonl", "train_batches", "weights"} <= names
    assert {path.name for path in (folder / "weights").iterdir()} == {
        "best.safetensors",
        "last.safetensors",
    }
    drawn = folder / "train_batches/train_batch_0.jpg"
    before = drawn.stat().st_mtime_ns
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert "val/top1" in (folder / "metrics.csv").read_text()
    assert str(folder / "checkpoints/best.ckpt") in out
    assert "UserWarning" not in err

    config = str(folder / "config.yaml")
    checkpoint = str(folder / "checkpoints/best.ckpt")
    code, out, err = run("validate", "--config", config, "--ckpt_path", checkpoint)
    assert code == 0, err
    assert "val/top1" in out
    assert "DataLoader" not in out, "the table is ours"

    code, out, err = run("predict", "--config", config, "--ckpt_path", "best")
    assert code == 0, err
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    assert len(rows) == 128  # two batches of 64
    assert list(rows[0]) == ["path", "label", "name", "score"]
    assert all(row["name"] == row["label"] and 0 < float(row["score"]) <= 1 for row in rows)
    assert [path.name for path in Path("runs/digits_convnext").iterdir()] == ["version_0"]

    resume = ["--ckpt_path", "last", "--trainer.max_epochs", "2"]
    code, out, err = run("fit", "--config", config, *resume)
    assert code == 0, err
    assert "epoch 2/2" in out
    assert "epoch 1/2" not in out
    assert [path.name for path in Path("runs/digits_convnext").iterdir()] == ["version_0"]
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [row["epoch"] for row in rows if row["val/top1"]] == ["0", "1"]
    # The same record as JSON lines, two starts, and the pictures of the first one.
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in lines if "val/top1" in one] == [0, 1]
    assert len(lines) == len(rows)
    starts = json.loads((folder / "env.json").read_text())["starts"]
    assert [one["first_step"] for one in starts] == [0, 2]
    assert [one["status"] for one in starts] == ["finished", "finished"]
    assert "--ckpt_path last" in starts[1]["command"]
    assert drawn.stat().st_mtime_ns == before

    # A path is where training starts from, not where it goes on.
    resume = ["--ckpt_path", checkpoint, "--trainer.max_epochs", "3"]
    code, out, err = run("fit", "--config", config, *resume)
    assert code == 0, err
    assert Path("runs/digits_convnext/version_1/checkpoints/last.ckpt").exists()


def test_threads_are_set_for_the_run_alone(run: Run) -> None:
    before = torch.get_num_threads()
    options = ["--threads", str(before + 1), "--trainer.fast_dev_run", "1"]
    code, _, err = run("fit", "--config", QUICKSTART, *options)
    assert code == 0, err
    assert torch.get_num_threads() == before


def test_checkpoints_hold_tensors_and_plain_values_alone(run: Run) -> None:
    assert run("fit", "--config", QUICKSTART, *FEW_BATCHES)[0] == 0
    path = Path("runs/digits_convnext/version_0/checkpoints/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    names = set(checkpoint["hyper_parameters"])
    assert {"backbone", "num_classes", "optim"} <= names
    # What LightningCLI would run on loading.
    assert not names & {"_class_path", "_instantiator"}
    assert "datamodule_hyper_parameters" not in checkpoint


def test_a_checkpoint_of_another_model_is_refused(run: Run) -> None:
    assert run("fit", "--config", QUICKSTART, *FEW_BATCHES)[0] == 0
    code, _, message = run("validate", "--config", QUICKSTART, "--ckpt_path", "last")
    assert code == 2
    assert "another model" in message
    assert "tensors are missing" in message or "in the file" in message
    assert "--config runs/digits_convnext/version_0/config.yaml" in message


def test_a_version_that_exists_is_refused(run: Run) -> None:
    options = ["fit", "--config", QUICKSTART, *FEW_BATCHES, "--version", "trial"]
    assert run(*options)[0] == 0
    code, _, message = run(*options)
    assert code == 2
    assert "--version trial" in message
    assert "not empty" in message


def test_the_template_takes_a_folder_of_mixed_images(run: Run, tmp_path: Path) -> None:
    root = make_images(tmp_path / "images", classes=3)
    tiny = "{dim: 8, depths: [1, 1], num_heads: [1, 1], window_size: 4}"
    code, _, err = run(
        "fit",
        *("--config", "configs/classification/image_folder/swin_linear.yaml"),
        *("--data.root", str(root), "--data.image_size", "32", "--data.num_workers", "0"),
        *("--model.backbone", "swin", "--model.backbone_options", tiny),
        *("--trainer.max_epochs", "1", "--name", "own"),
    )
    assert code == 0, err
    # There are as many classes as folders, and the saved config has the number.
    assert "num_classes: 3" in Path("runs/own/version_0/config.yaml").read_text()


def test_plain_lightning_options_get_the_option_of_the_suite(refused: Callable[..., str]) -> None:
    for option, instead in (("optimizer", "model.optim.name"), ("lr_scheduler", "lr_schedule")):
        message = refused("fit", "--config", QUICKSTART, f"--{option}", "SGD")
        assert f"'{option}'" in message
        assert f"--model.optim.{instead.rpartition('.')[2]}" in message
    message = refused("fit", "--config", QUICKSTART, "--model.optim.name", "adamm")
    assert "Did you mean 'adam'" in message


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_full_memory_ends_with_what_to_change(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def training_step(*_: object) -> None:
        raise error

    monkeypatch.setattr("vision.tasks.Classification.training_step", training_step)
    code, _, message = run("fit", "--config", QUICKSTART, *FEW_BATCHES)
    assert code == 2
    for word in (
        "--data.batch_size 32",
        "--trainer.accumulate_grad_batches 2",
        "bf16-mixed",
        "--model.memory lean",
    ):
        assert word in message
    assert len(message.splitlines()) <= 8


def test_a_malicious_checkpoint_runs_nothing(refused: Callable[..., str], tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> object:
            return Path.mkdir, (tmp_path / "made",)

    content = {"pytorch-lightning_version": "2.6.6", "state_dict": {}, "more": Malicious()}
    torch.save(content, tmp_path / "own.ckpt")
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps(content))
    for name in ("own.ckpt", "old.ckpt"):
        for command in ("fit", "validate", "predict"):
            message = refused(command, "--config", QUICKSTART, "--ckpt_path", name)
            assert name in message
        assert name in refused("fit", "--config", QUICKSTART, "--model.weights", name)
    assert not (tmp_path / "made").exists()


def test_a_loss_that_is_not_finite_ends_a_run_or_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = ClassificationLoss.forward

    def poisoned(self: ClassificationLoss, outputs: Any, batch: Any) -> dict[str, torch.Tensor]:
        factor = float("nan") if self.training else 1.0
        return {name: factor * term for name, term in forward(self, outputs, batch).items()}

    monkeypatch.setattr(ClassificationLoss, "forward", poisoned)
    code, _, message = run("fit", "--config", QUICKSTART, *FEW_BATCHES)
    assert code == 2
    assert "the loss is nan (epoch 0, batch 0" in message
    assert "non_finite_step_0_rank_0.pt" in message
    assert len(message.splitlines()) <= 8
    assert Path("runs/digits_convnext/version_0/non_finite_step_0_rank_0.pt").is_file()
    code, out, message = run("fit", "--config", QUICKSTART, *FEW_BATCHES, "--non_finite", "skip")
    assert code == 0, message
    assert "epoch 1/1" in out
