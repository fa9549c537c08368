import subprocess
import sys
from pathlib import Path

from helpers.tiny_imagenet import (
    DEVKIT,
    WNIDS,
    tar_of_tars,
    train_images,
    write_archives,
    write_files,
)

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools" / "prepare_imagenet.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_three_archives_become_a_dataset(tmp_path: Path) -> None:
    archives = write_archives(tmp_path)
    root = tmp_path / "new" / "imagenet"
    for _ in range(2):  # a second run finds all done
        result = run(*reversed(archives), "--root", root)
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines() == [
            f"{root / 'train'}: 3 classes, 6 images",
            f"{root / 'val'}: 3 classes, 4 images",
        ]
    assert sorted(path.name for path in root.iterdir()) == [DEVKIT, "train", "val"]


def test_a_truncated_archive_ends_with_a_message_and_goes_on_later(tmp_path: Path) -> None:
    devkit, train, _ = write_archives(tmp_path)
    whole = train.read_bytes()
    train.write_bytes(whole[: len(whole) // 2])
    result = run(devkit, train, "--root", tmp_path / "root")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"'{train}' is truncated or damaged" in result.stderr
    assert "Traceback" not in result.stderr
    train.write_bytes(whole)
    assert run(train, "--root", tmp_path / "root").returncode == 0


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    devkit, train, _ = write_archives(tmp_path)
    images = {wnid: files for wnid, files in train_images().items() if wnid != WNIDS[1]}
    train.write_bytes(tar_of_tars(images))
    result = run(devkit, train, "--root", tmp_path / "root")
    assert result.returncode == 1
    assert f"1 class missing: {WNIDS[1]}" in result.stdout


def test_the_larger_release_is_compared_with_its_numbers(tmp_path: Path) -> None:
    write_files(tmp_path, {"fall11_whole.tar": tar_of_tars(train_images())})
    result = run(tmp_path / "fall11_whole.tar", "--root", tmp_path / "root")
    assert result.returncode == 1
    assert f"{tmp_path / 'root'}: 3 classes, 6 images" in result.stdout
    assert "21,841" in result.stdout


def test_wrong_archives_are_refused(tmp_path: Path) -> None:
    _, _, val = write_archives(tmp_path)
    for arguments, part in (
        ((val,), "name ILSVRC2012_devkit_t12.tar.gz as well"),
        ((tmp_path / "val.tar",), "name of an official archive"),
        ((val, tmp_path / "fall11_whole.tar"), "need a --root each"),
        ((tmp_path / "ILSVRC2012_img_train.tar.gz",), "Did you mean 'ILSVRC2012_img_train.tar'"),
    ):
        result = run(*arguments, "--root", tmp_path / "root")
        assert (result.returncode, result.stdout) == (2, "")
        assert part in result.stderr
