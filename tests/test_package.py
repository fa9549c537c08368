"""A wheel is the whole program: its command, its configs, its data."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = {
    f"vision/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")
}
BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]  # which setuptools replaces
build_meta.build_wheel(out)
build_meta.build_sdist(out)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel and a source archive, built of a copy of the clone."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("clone")
    for name in ("vision", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    out = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    (source,) = out.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def unpacked(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation of the wheel puts on Python's path."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(built[0]) as file:
        file.extractall(folder)
    return folder


def run(unpacked: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vision", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(unpacked), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wheel_holds_the_package_and_its_configs_and_no_more(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as file:
        names = {name for name in file.namelist() if not name.endswith("/")}
        (points,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "vision = vision.cli.main:main" in file.read(points).decode()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"vision"}
    assert {name for name in names if name.startswith("vision/configs/")} == CONFIGS
    package = {
        path.relative_to(ROOT).as_posix()
        for suffix in ("*.py", "*.json", "py.typed")
        for path in (ROOT / "vision").rglob(suffix)
    }
    assert {name for name in names if name.startswith("vision/")} == package | CONFIGS


def test_a_source_archive_holds_what_a_wheel_is_built_of(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    configs = {name.removeprefix("vision/") for name in CONFIGS}
    assert configs | {"setup.py", "pyproject.toml", "vision/cli/main.py"} <= names


def test_an_installed_package_finds_its_configs_and_names_no_file_of_a_clone(
    unpacked: Path, tmp_path: Path
) -> None:
    listed = run(unpacked, tmp_path, "configs", "digits")
    assert listed.returncode == 0, listed.stderr
    assert "digits/convnext_linear  convnext" in listed.stdout
    assert str(unpacked / "vision/configs") in listed.stdout
    for words, says in (
        (("fit", "--config", "digits/convnet_linear"), "'digits/convnext_linear'"),
        (("train",), "Did you mean 'fit'"),
        (("evaluate", "modl"), "-m vision evaluate --help"),
    ):
        done = run(unpacked, tmp_path, *words)
        assert done.returncode == 2
        assert says in done.stderr
        assert ".py" not in done.stdout + done.stderr
