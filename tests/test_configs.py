"""Every config trains one step, on small data made here."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from vision.cli.main import main

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if "_base" not in path.parts)


def image_folder(root: Path) -> list[str]:
    """Options for a folder of a few small images."""
    for label in ("cat", "dog"):
        for i in range(3):
            path = root / label / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (48 + i, 40), (90 * i, 40, 200)).save(path)
    return ["--data.root", str(root), "--data.num_workers", "0", "--data.batch_size", "2"]


# Short class name of a datamodule -> options that give it data.
FAKE_DATA: dict[str, Callable[[Path], list[str]]] = {
    "Digits": lambda root: [],
    "ImageFolder": image_folder,
}


def test_there_are_configs() -> None:
    assert len(CONFIGS) >= 2


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_config_trains_one_step(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load(config.read_text())
    data = content["data"]["class_path"].rpartition(".")[2]
    options = [*FAKE_DATA[data](tmp_path / "data"), "--trainer.fast_dev_run", "1"]
    code = main(
        ["fit", "--config", str(config), *options, "--trainer.accelerator", "cpu"], root=ROOT
    )
    assert code == 0, capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_config_opens_with_its_card(config: Path) -> None:
    comments = [line for line in config.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(comments)
    for word in ("Published:", "Ours:", "Hardware:", "python train.py"):
        assert word in text
    assert f"--config {config.relative_to(ROOT)}" in text
