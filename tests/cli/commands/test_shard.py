from pathlib import Path

import pytest
from helpers.shards import class_folders
from helpers.tiny_coco import write_tiny_coco

from vision.cli.commands import shard as tool
from vision.data import ImageShards


def run_tool(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = tool.main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_shards_of_folders_are_made_checked_and_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = class_folders(tmp_path / "source", train=30)

    def run(*words: object) -> tuple[int, str]:
        return run_tool(capsys, *words)

    out = tmp_path / "out"
    code, printed = run("make", source, out, "--shard-bytes", "2e4", "--workers", 2)
    assert code == 0
    assert f"{out}/train: 60 images of 2 classes in" in printed
    assert run("check", out) == (0, "everything can be read.\n")
    classes = tmp_path / "classes.txt"
    classes.write_text("wasp\nbee\n")
    assert run("index", out, "--classes", classes)[0] == 0
    assert ImageShards(root=out).class_names == ("wasp", "bee")
    (out / "val/val-000000.tar").write_bytes(b"")
    code, printed = run("check", out)
    assert code == 1
    assert f"{out}/val/val-000000.tar' is truncated or damaged" in printed
    code, printed = run("make", source, out)
    assert code == 2
    assert "already exists" in printed
    code, printed = run("index", out, "--classes", tmp_path / "nothing")
    assert code == 2
    assert "file of classes" in printed


def test_a_dataset_is_named_with_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_coco(tmp_path / "coco", images=4)
    options = ("--data.root", tmp_path / "coco", "--data.cache_dir", "")
    code, printed = run_tool(capsys, "make", "COCO", tmp_path / "out", *options)
    assert code == 0
    assert f"{tmp_path}/out/val: 4 images of 3 classes in 1 shard," in printed
    assert run_tool(capsys, "check", tmp_path / "out") == (0, "everything can be read.\n")
    assert run_tool(capsys, "index", tmp_path / "out")[0] == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("make", "COCOO", "out"), "'COCO'"),
        (("make", "COCO", "out", "--data.rot", "x"), "--data.rot"),
        (("make", "data/flowers", "out", "--data.root", "x"), "'data/flowers' is a folder"),
        (("make", "CIFAR10", "out", "--data.root"), "needs a value"),
        (("check", "out", "--data.root", "x"), "unrecognized arguments: --data.root x"),
    ],
)
def test_wrong_words_are_named(
    words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = run_tool(capsys, *words)
    assert code == 2
    assert expected in printed
