"""Help: one screen for a command, and the options of a topic."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.cli.commands.training import TRAINING
from vision.cli.help_screens import COMMON, command_help, topic_help
from vision.cli.main import main
from vision.cli.option_table import option_table
from vision.cli.short_options import SHORT_FORMS, full_key
from vision.errors import ConfigError

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs/classification/digits/convnext_linear.yaml")

Show = Callable[..., str]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """What a successful command prints."""

    def show(*argv: str) -> str:
        assert main(argv) == 0
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("command", TRAINING)
def test_the_help_of_a_command_is_one_screen(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["vision", command])
    lines = command_help(command, "about").splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80


def test_the_screen_names_the_options_that_people_change(show: Show) -> None:
    text = show("fit", "--help")
    table = option_table()
    keys = {one.key for one in (*table.commands["fit"], *table.trainer)}
    keys |= {one.key for one in table.classes["model"]["Classification"].options}
    keys |= {one.key for one in table.classes["data"]["ImageFolder"].options}
    for option, short, _ in COMMON:
        key = option.removeprefix("--").partition(" ")[0]
        assert f"  --{key} " in text
        assert key in keys
        assert not short or full_key(short.removeprefix("--")) == key
    assert {short for _, short, _ in COMMON if short} == {
        f"--{name.replace('_', '-')}" for name in SHORT_FORMS
    }


def test_every_topic_of_the_screen_has_help(show: Show) -> None:
    for topic in re.findall(r"--help (\S+)", show("fit", "--help")):
        assert "options of" in show("fit", "--help", topic) or topic in ("data", "model")


def test_the_help_of_a_dataset(show: Show) -> None:
    text = show("fit", "--help", "data.ImageFolder")
    assert "\n  --data.root str or " in text
    assert "Required." in text
    assert "--data.batch_size int\n" in text
    assert "Default: 32." in text
    assert "--trainer" not in text
    assert show("fit", "--data.help", "ImageFolder") == text


def test_the_classes_and_the_options_of_the_chosen_one(show: Show) -> None:
    text = show("fit", "--data.help")
    assert "Cityscapes" in text
    assert "--data.root" not in text
    text = show("fit", "--config", QUICKSTART, "--data.help")
    assert "options of --data Digits" in text
    assert "--data.batch_size" in text
    assert show("fit", "--model", "Classification", "--model.help") == show(
        "fit", "--help", "model", "--config", QUICKSTART
    )


def test_a_group_of_options_and_one_option(show: Show) -> None:
    text = show("fit", "--help", "model.optim")
    assert "--model.optim.lr float" in text
    assert "--model.backbone" not in text
    assert "--trainer.max_epochs" in show("validate", "--help", "trainer.max-epochs")


def test_a_class_of_ones_own(show: Show) -> None:
    text = show("fit", "--model", "helpers.height.Height", "--model.help")
    assert "options of --model Height" in text


def test_what_the_parser_has_help_on(show: Show) -> None:
    text = show("fit", "--trainer.callbacks.help", "EarlyStopping")
    assert "monitor" in text


def test_an_unknown_topic_gets_the_nearest() -> None:
    with refuses(ConfigError, "'model.optm'", "'model.optim'", "data.ImageFolder"):
        topic_help("fit", "model.optm", {})
