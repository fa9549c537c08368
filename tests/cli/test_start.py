"""The start of a command: a first line and plain mistakes without PyTorch."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vision.cli.main import main
from vision.cli.names import chosen_names
from vision.cli.settings import find_configs, read_settings
from vision.cli.start import refuse_mistakes

ROOT = Path(__file__).parents[2]
QUICKSTART = "configs/classification/digits/convnext_linear.yaml"
HEAVY = {"torch", "lightning", "torchvision", "numpy", "jsonargparse"}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--trainer.max_epoch", "3"], ["'trainer.max_epoch'", "'trainer.max_epochs'"]),
        (["--data", "ImagFolder"], ["Did you mean 'ImageFolder'"]),
        (["--lr", "fast"], ["model.optim.lr", "'fast'", "float", "--lr is short for"]),
        (["--help"], ["--trainer.max_epochs", "--epochs"]),
        (["--help", "data.COCO"], ["--data.root"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_an_answer_without_pytorch(argv: list[str], words: list[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from vision.cli.main import main\n"
        f"code = main(sys.argv[1:])\n"
        f"assert not {HEAVY} & set(sys.modules), 'imported'\nsys.exit(code)"
    )
    command = [sys.executable, "-c", code, "fit", "--config", QUICKSTART, *argv]
    shown = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "imported" not in shown.stderr
    assert shown.returncode == (0 if "--help" in argv else 2)
    for word in words:
        assert word in shown.stdout + shown.stderr


def test_options_of_a_callback_are_left_to_the_parser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []
    monkeypatch.setattr("vision.cli.app.run", lambda command, args: begun.extend(args))
    argv = ["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "val/top1"]
    argv += ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "logs"]
    assert main(["fit", "--config", QUICKSTART, *argv]) == 0
    assert begun[-len(argv) :] == argv


def test_the_first_line_comes_before_pytorch() -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "fit", "--config", QUICKSTART],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert line == "fit digits_convnext (Classification on Digits): loading PyTorch ...\n"
    # Of the processor, since a busy machine lets it wait: PyTorch alone takes more.
    assert used.ru_utime + used.ru_stime < 2


Refused = Callable[..., str]


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """The message of a command that is refused before it begins."""
    monkeypatch.chdir(tmp_path)

    def refused(*argv: str) -> str:
        assert main(argv) == 2
        out, err = capsys.readouterr()
        assert out == "", "it has not begun"
        return err

    return refused


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--epochs", "many"], ["trainer.max_epochs must be int", "'many'", "--epochs is short"]),
        (["--batch-size", "3.5"], ["data.batch_size", "--batch-size is short"]),
        (["--trainer.max-epoch", "3"], ["'trainer.max_epochs'?"]),
        (["--model.backbone"], ["--model.backbone needs a value"]),
        (["--data", "ImageFolder"], ["ImageFolder needs data.root"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_mistake_is_shown_by_both_names(
    refused: Refused, argv: list[str], words: list[str]
) -> None:
    message = refused("fit", "--config", QUICKSTART, *argv)
    for word in words:
        assert word in message


def test_the_trainer_of_another_lightning_is_left_to_its_parser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    known = importlib.metadata.version
    other = {"lightning": "99.0"}
    monkeypatch.setattr("importlib.metadata.version", lambda name: other.get(name) or known(name))
    begun: list[str] = []
    monkeypatch.setattr("vision.cli.app.run", lambda command, args: begun.extend(args))
    argv = ["fit", "--config", QUICKSTART, "--trainer.of_tomorrow", "1"]
    assert main(argv) == 0
    assert begun[-2:] == ["--trainer.of_tomorrow", "1"]
    assert main([*argv, "--data.of_tomorrow", "1"]) == 2
    assert "'data.of_tomorrow'" in capsys.readouterr().err


def test_no_config_of_the_suite_is_refused() -> None:
    files = [path for path in (ROOT / "configs").rglob("*.yaml") if "_base" not in path.parts]
    assert len(files) > 100
    for file in files:
        settings = read_settings(find_configs(["--config", str(file)]))
        refuse_mistakes("fit", settings, chosen_names(settings), whole=True)
