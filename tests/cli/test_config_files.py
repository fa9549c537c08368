"""Configs are found by path or name, and name what they build on."""

import shutil
from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.cli.config_files import config_names, configs_folder, find_config
from vision.cli.settings import find_configs, read_settings
from vision.errors import ConfigError

SWIN = "detection/coco/swin_tiny_mask_rcnn_3x"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder outside a clone, with a config that builds on two files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts/first.yaml", "name: first\nmodel: {init_args: {lr: 1, width: 8}}\n")
    write(tmp_path / "parts/second.yaml", "model:\n  init_args:\n    lr: 2\n")
    write(
        tmp_path / "own/run.yaml",
        "name: run\nbase:\n- ../parts/first.yaml\n- ../parts/second.yaml\n",
    )
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "given",
    [
        SWIN,
        f"{SWIN}.yaml",
        f"configs/{SWIN}.yaml",
        f"./configs/{SWIN}",
        "coco/swin_tiny_mask_rcnn_3x",
        "swin_tiny_mask_rcnn_3x",
        str(configs_folder() / f"{SWIN}.yaml"),
    ],
)
def test_a_config_is_found_by_its_path_or_its_name(folder: Path, given: str) -> None:
    assert find_config(given).resolve() == (configs_folder() / f"{SWIN}.yaml").resolve()


def test_a_file_comes_before_a_name(folder: Path) -> None:
    shutil.copy(folder / "own/run.yaml", folder / "swin_tiny_mask_rcnn_3x")
    assert find_config("swin_tiny_mask_rcnn_3x") == Path("swin_tiny_mask_rcnn_3x")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("coco/swin_tny_mask_rcnn_3x", "'coco/swin_tiny_mask_rcnn_3x'"),
        ("swin_tiny_mask_rcn_3x.yaml", "'swin_tiny_mask_rcnn_3x'"),
        ("own/rum.yaml", "'run.yaml'"),
        (
            "samples",
            "depth/samples, detection/samples, detection3d/samples, normals/samples, "
            "panoptic/samples, points/samples, segmentation/samples, volumes/samples.",
        ),
    ],
)
def test_a_wrong_name_gets_the_nearest(folder: Path, given: str, says: str) -> None:
    with refuses(ConfigError, given, says):
        find_config(given)


def test_the_names_are_those_of_the_files() -> None:
    names = config_names()
    assert SWIN in names
    assert len(names) == len(set(names)) == len([*configs_folder().rglob("*.yaml")])


def test_what_a_config_builds_on_is_read_first_in_the_order_that_it_names(folder: Path) -> None:
    args = find_configs(["--config", "own/run.yaml", "--name", "x"])
    files = [Path(word).name for word in args if word.endswith(".yaml")]
    assert files == ["first.yaml", "second.yaml", "run.yaml"]
    assert args[-2:] == ["--name", "x"]
    settings = read_settings(args)
    last = {setting.plain_key: setting for setting in settings}
    assert (last["model.lr"].value, last["model.width"].value) == (2, 8)
    assert last["name"].source == "command line"
    # File and line are those of the file that sets a key.
    assert last["model.lr"].source.endswith("parts/second.yaml, line 3")
    assert last["model.width"].source.endswith("parts/first.yaml, line 2")


def test_what_two_configs_build_on_is_read_once(folder: Path) -> None:
    write(folder / "own/other.yaml", "name: other\nbase: ../parts/first.yaml\n")
    args = find_configs(["--config=own/run.yaml", "--config", "own/other.yaml"])
    files = [Path(word).name for word in args if word.endswith(".yaml")]
    assert files == ["first.yaml", "second.yaml", "run.yaml", "other.yaml"]


def test_a_config_builds_on_one_of_the_suite_by_its_name(folder: Path) -> None:
    write(folder / "own/swin.yaml", "base: _base/coco_3x\n")
    assert find_configs(["--config", "own/swin.yaml"])[1] == str(
        configs_folder() / "_base/coco_3x.yaml"
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("base: ../parts/frist.yaml", ("own/a.yaml, line 1", "frist.yaml", "'first.yaml'")),
        ("name: a\nbase: 3", ("own/a.yaml, line 2", "3", "path of a config")),
        ("base: {a: b}", ("own/a.yaml, line 1", "path of a config")),
        ("base: a.yaml", ("own/a.yaml, line 1", "names itself")),
        ("base: run.yaml", ("own/run.yaml, line 2", "builds on none", "first.yaml", "own/a.yaml")),
    ],
)
def test_a_wrong_base_is_named_with_file_and_line(
    folder: Path, text: str, parts: tuple[str, ...]
) -> None:
    write(folder / "own/a.yaml", f"{text}\n")
    with refuses(ConfigError, "base", *parts):
        find_configs(["--config", "own/a.yaml"])


def test_two_configs_that_name_each_other_are_refused(folder: Path) -> None:
    write(folder / "own/a.yaml", "base: b.yaml\n")
    write(folder / "own/b.yaml", "base: a.yaml\n")
    with refuses(ConfigError, "own/b.yaml, line 1", "builds on none"):
        find_configs(["--config", "own/a.yaml"])


def test_the_key_is_not_an_option() -> None:
    with refuses(ConfigError, "base is a key of config files", "--config FILE"):
        read_settings(["--base", "x.yaml"])
