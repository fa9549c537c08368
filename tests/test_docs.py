"""The code in the documentation runs, in a folder that has what it names."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from adversarial.case import ROOT, run_console
from helpers.documentation import LANGUAGES, PAGES, Block, blocks, commands
from helpers.pictures import texture
from helpers.tiny_panoptic import export_panoptic
from helpers.tiny_volume_task import export_volumes, tiny_volumes
from PIL import Image

DIGITS = "configs/classification/digits/convnext_linear.yaml"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone's folder after some work: data, photos, and trained runs under many names."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "configs").symlink_to(ROOT / "configs")
    for name in ("a", "b"):
        write_photo(folder / "photos" / f"{name}.jpg")
        write_photo(folder / f"{name}.jpg")
    for split in ("train", "val"):
        for name in ("daisy/daisy", "rose/rose"):
            for number in range(2):
                write_photo(folder / "data" / "flowers" / split / f"{name}_{number}.jpg")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        train = ["fit", "--config", DIGITS, "--name", "digits_convnext"]
        run_console([*train, "--trainer.max_epochs", 1])
    export_panoptic(folder / "panoptic.onnx")
    export_volumes(tiny_volumes(label_values=[0, 1, 2, 4]), folder / "volumes.onnx")
    run = folder / "runs" / "digits_convnext" / "version_0"
    for name in ("NAME", "OTHER", "flowers", "digits_swin"):
        shutil.copytree(run, folder / "runs" / name / "version_0")
    for name, target in {
        "RUN": folder / "runs" / "NAME" / "version_0",
        "OTHER": folder / "runs" / "OTHER" / "version_0",
        "CKPT": run / "checkpoints" / "best.ckpt",
        "best.ckpt": run / "checkpoints" / "best.ckpt",
        "model.safetensors": run / "weights" / "best.safetensors",
        "best.safetensors": run / "weights" / "best.safetensors",
        "FILE": ROOT / DIGITS,
        "DATA.yaml": run / "config.yaml",
        "PATH": folder / "data" / "flowers",
    }.items():
        (folder / name).symlink_to(target)
    return folder


def write_photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(40, 50, seed=len(str(path)))).save(path)


@pytest.fixture
def inside(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    monkeypatch.setattr("vision.predict.demo.launch_demo", lambda page, **_: "http://here")
    return world


def parametrised(language: str) -> Callable[[Callable[..., None]], pytest.MarkDecorator]:
    found = [block for block in blocks(language) if block.mark != "not run"]
    return pytest.mark.parametrize("block", found, ids=[block.place for block in found])


@parametrised("python")
def test_python(block: Block, inside: Path) -> None:
    exec(compile(block.code, block.place, "exec"), {"__name__": "documentation"})


@parametrised("sh")
def test_shell(block: Block, inside: Path) -> None:
    for words in commands(block.code):
        if "vision" not in words:
            pytest.fail(f"{block.place}: this test does not know the command {words[0]}")
        name, *options = words[words.index("vision") + 1 :] or ["--help"]  # after torchrun or srun
        if not block.mark:
            run_console([name, *options])
        elif name in ("fit", "validate", "test") or "--config" in options[:1]:
            if "..." not in options:
                run_console([name, *options, "--print_config"])
        else:
            check_options(name, options)


def test_the_dataset_of_the_data_page(inside: Path) -> None:
    (block,) = [block for block in blocks("python") if "class Flowers" in block.code]
    names: dict[str, Any] = {}
    exec(compile(block.code, block.place, "exec"), names)
    for split in ("train", "val"):
        for name in ("daisy_0", "daisy_1", "rose_0", "rose_1"):
            write_photo(inside / "flowers" / split / f"{name}.jpg")
    data = names["Flowers"](root=str(inside / "flowers"), image_size=32, batch_size=4)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (4, 3, 32, 32)
    assert batch["image"].dtype == torch.uint8
    assert batch["label"].tolist() == [0, 0, 1, 1]


def check_options(name: str, options: list[str]) -> None:
    """The flags of a command are in its help, or in that of validate if it passes them on."""
    command = [word for word in options[:1] if not word.startswith("-") and "." not in word]
    page = run_console([name, *command, "--help"])
    for flag in options:
        passed_on = "." in flag and "validate" in page
        if flag.startswith("--") and not passed_on:
            assert flag.partition("=")[0] in page, f"{name} {' '.join(command)}: {flag}"


def test_files_that_pages_name_exist() -> None:
    named = re.compile(r"`((?:tests|vision|tools|configs|docs)/[\w./-]+\.\w+)`|\]\(([\w./-]+)[)#]")
    for page in PAGES:
        for path, link in named.findall(page.read_text()):
            assert ((ROOT / path) if path else page.parent / link).exists(), (
                f"{page.name}: {path or link}"
            )


def test_every_block_is_of_a_known_language() -> None:
    """Others (YAML, JSON, trees of folders) are no programs."""
    fences = sum(page.read_text().count("```python\n") for page in PAGES)
    fences += sum(page.read_text().count("```sh\n") for page in PAGES)
    assert fences == sum(len(list(blocks(language))) for language in LANGUAGES)
    assert not any("```bash" in page.read_text() for page in PAGES)
