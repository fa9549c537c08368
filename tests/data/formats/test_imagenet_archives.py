import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision
from helpers.tiny_imagenet import (
    DEVKIT,
    VAL_WNIDS,
    WNIDS,
    devkit_files,
    tar,
    tar_of_tars,
    train_images,
    val_images,
    write_archives,
    write_files,
)
from torchvision.datasets import imagenet as torchvision_imagenet

from vision.data import ImageNet
from vision.data.formats import imagenet_archives as archives
from vision.data.formats.imagenet_archives import (
    check_release,
    check_train,
    check_val,
    find_devkit,
    role_of,
    unpack_classes,
    unpack_devkit,
    unpack_val,
)
from vision.errors import DataError

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files and empty folders included."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def unpack_all(folder: Path, root: Path) -> None:
    unpack_devkit(folder / f"{DEVKIT}.tar.gz", root)
    unpack_classes(folder / TRAIN, root / "train")
    unpack_val(folder / VAL, root / "val", find_devkit(root))


def expected_train() -> dict[str, bytes]:
    return {f"{wnid}/{name}": x for wnid, xs in train_images().items() for name, x in xs.items()}


def message_of(run: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        run(*arguments)
    return str(caught.value)


def test_the_tree_is_that_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archives(tmp_path)
    unpack_all(tmp_path, tmp_path / "ours")
    monkeypatch.setattr(torchvision_imagenet, "_verify_archive", lambda *_: None)
    monkeypatch.setattr(torchvision_imagenet, "check_integrity", lambda *_: True)
    torchvision_imagenet.parse_devkit_archive(tmp_path)
    torchvision_imagenet.parse_train_archive(tmp_path)
    torchvision_imagenet.parse_val_archive(tmp_path)
    for split in ("train", "val"):
        found = contents(tmp_path / "ours" / split)
        assert found == contents(tmp_path / split)
        assert len(found) == {"train": 6, "val": 4}[split]


def test_the_tree_is_the_one_that_is_read(tmp_path: Path) -> None:
    write_archives(tmp_path)
    unpack_all(tmp_path, tmp_path / "root")
    data = ImageNet(root=tmp_path / "root", image_size=8, num_workers=0)
    data.setup("fit")
    reference = torchvision.datasets.ImageFolder(tmp_path / "root" / "val")
    assert list(data.val_dataset.paths) == [path for path, _ in reference.samples]
    # Worked by hand: image N of class VAL_WNIDS[N - 1].
    assert {Path(path).name: Path(path).parent.name for path in data.val_dataset.paths} == dict(
        zip(val_images(), VAL_WNIDS, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "folder"), [("winter21_whole.tar.gz", "winter21_whole/"), ("fall11_whole.tar", "./")]
)
def test_the_larger_releases(tmp_path: Path, name: str, folder: str) -> None:
    content = tar_of_tars(train_images(), folder=folder)
    write_files(tmp_path, {name: gzip.compress(content) if name.endswith("gz") else content})
    unpack_classes(tmp_path / name, tmp_path / "root")
    assert contents(tmp_path / "root") == expected_train()
    (problem,) = check_release(tmp_path / "root", name).problems
    assert "3 classes and 6 images; the official numbers are" in problem
    assert {"w": "19,167 and 13,153,500", "f": "21,841 and 14,197,122"}[name[0]] in problem


class Killed(BaseException):
    """The end of a process: nothing catches it."""


@pytest.mark.parametrize("writes", range(6))
def test_a_run_that_was_killed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    write_archives(tmp_path)
    root = tmp_path / "root"
    write = archives._write
    done = 0

    def write_until_killed(content: io.BytesIO, path: Path) -> None:
        nonlocal done
        if done == writes:
            path.write_bytes(content.read(5))  # half a file
            raise Killed
        done += 1
        write(content, path)

    monkeypatch.setattr(archives, "_write", write_until_killed)
    with pytest.raises(Killed):
        unpack_classes(tmp_path / TRAIN, root)
    whole = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    assert whole == set(WNIDS[: writes // 2])
    assert all(len(list((root / wnid).iterdir())) == 2 for wnid in whole)

    before = {path: path.stat().st_mtime_ns for path in root.glob("n*/*")}
    monkeypatch.setattr(archives, "_write", write)
    unpack_classes(tmp_path / TRAIN, root)
    assert contents(root) == expected_train()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_validation_images_that_were_killed_are_no_val(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archives(tmp_path)
    root = tmp_path / "root"
    unpack_devkit(tmp_path / f"{DEVKIT}.tar.gz", root)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(archives, "_write", killed)
        with pytest.raises(Killed):
            unpack_val(tmp_path / VAL, root / "val", find_devkit(root))
    assert not (root / "val").exists()
    unpack_val(tmp_path / VAL, root / "val", find_devkit(root))
    assert len(contents(root / "val")) == 4
    assert not list(root.glob(".*"))


def cut_archive(folder: Path, content: bytes, length: int) -> Path:
    path = folder / TRAIN
    path.write_bytes(content[:length])
    return path


def test_a_truncated_archive_never_passes_for_a_whole_one(tmp_path: Path) -> None:
    content = tar_of_tars(train_images())
    # The end mark is two empty blocks; one of them is enough.
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        last = opened.getmembers()[-1]
        end = last.offset_data + -(-last.size // 512) * 512
    lengths = [*range(0, end + 512, 512), *range(100, end, 3000), end + 511]
    for number, length in enumerate(lengths):
        path = cut_archive(tmp_path, content, length)
        root = tmp_path / str(number)
        message = message_of(unpack_classes, path, root)
        assert f"'{path}' is truncated or damaged" in message
        assert "download it again" in message
        found = contents(root)
        whole = {name: x for name, x in found.items() if not name.startswith(".")}
        assert whole.items() <= expected_train().items()
        assert len(whole) % 2 == 0
    unpack_classes(cut_archive(tmp_path, content, end + 512), tmp_path / "root")


def test_a_truncated_archive_names_the_member(tmp_path: Path) -> None:
    content = tar_of_tars(train_images())
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        second = opened.getmembers()[1]
    name = f"{WNIDS[1]}.tar"
    path = cut_archive(tmp_path, content, second.offset_data + 700)
    assert message_of(unpack_classes, path, tmp_path / "a").startswith(
        f"'{name}' in '{path}' is truncated or damaged: unexpected end of data."
    )
    path = cut_archive(tmp_path, content, second.offset)
    last = f"after its member '{WNIDS[0]}.tar'"
    assert last in message_of(unpack_classes, path, tmp_path / "b")


def test_a_truncated_archive_of_a_class_is_named(tmp_path: Path) -> None:
    inner = tar(train_images()[WNIDS[0]])
    for length in (512, 700, 1536, 2048):
        write_files(tmp_path, {TRAIN: tar({f"{WNIDS[0]}.tar": inner[:length]})})
        message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
        assert f"'{WNIDS[0]}.tar' in '{tmp_path / TRAIN}' is truncated or damaged" in message
        assert not list((tmp_path / "root").glob("n*"))


def test_a_damaged_gzip_is_named(tmp_path: Path) -> None:
    name = "winter21_whole.tar.gz"
    whole = gzip.compress(tar_of_tars(train_images()))
    for content in (whole[:-4], whole[: len(whole) // 2], whole[:-8] + bytes(8), b"\x1f\x8b"):
        write_files(tmp_path, {name: content})
        message = message_of(unpack_classes, tmp_path / name, tmp_path / str(len(content)))
        assert f"'{tmp_path / name}' is truncated or damaged" in message


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    write_files(tmp_path, {TRAIN: content})
    message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
    assert f"'{tmp_path / TRAIN}' is truncated or damaged" in message


def evil_member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(member)
    return file.getvalue()


EVIL = {
    "parent": evil_member("../evil.JPEG"),
    "deep parent": evil_member("a/../../evil.JPEG"),
    "absolute": evil_member("/tmp/evil.JPEG"),
    "windows": evil_member("..\\evil.JPEG"),
    "drive": evil_member("C:evil.JPEG"),
    "symbolic link": evil_member("evil.JPEG", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": evil_member("evil.JPEG", tarfile.LNKTYPE, "/etc/passwd"),
    "device": evil_member("evil.JPEG", tarfile.CHRTYPE),
    "pipe": evil_member("evil.JPEG", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("kind", EVIL)
def test_members_that_lead_elsewhere_are_refused(tmp_path: Path, kind: str) -> None:
    files = {"inner.tar": tar({f"{WNIDS[0]}.tar": EVIL[kind]}), "outer.tar": EVIL[kind]}
    write_files(tmp_path, files)
    for name in files:
        message = message_of(unpack_classes, tmp_path / name, tmp_path / "root" / "train")
        assert "is refused: its member" in message
        assert "evil" in message
    devkit = {"a.tar": EVIL[kind]}
    write_files(tmp_path, devkit)
    assert "is refused" in message_of(unpack_devkit, tmp_path / "a.tar", tmp_path / "root")
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_other_content_is_refused(tmp_path: Path) -> None:
    cases = {
        "n0144.tar": tar({"x.JPEG": b""}),
        f"{WNIDS[0]}.zip": b"",
        "readme.txt": b"",
        f"../{WNIDS[0]}.tar": b"",
    }
    for name, content in cases.items():
        write_files(tmp_path, {TRAIN: tar({name: content})})
        assert name in message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
    for name in ("a.txt", "folder/a.JPEG"):
        inner = {f"{WNIDS[0]}.tar": tar({name: b""})}
        write_files(tmp_path, {TRAIN: tar(inner)})
        message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
        assert f"has the file '{name}', expected images" in message
    assert not list((tmp_path / "root").glob("n*"))


def test_an_image_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    image = next(iter(train_images()[WNIDS[0]]))
    twice = tar({image: b"1"}).rstrip(b"\0")
    twice = twice.ljust(1024, b"\0") + tar({image: b"2"})
    write_files(tmp_path, {TRAIN: tar({f"{WNIDS[0]}.tar": twice})})
    message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
    assert f"{image}': File exists" in message


def test_a_validation_image_without_a_label_is_named(tmp_path: Path) -> None:
    write_archives(tmp_path)
    unpack_devkit(tmp_path / f"{DEVKIT}.tar.gz", tmp_path)
    write_files(tmp_path, {VAL: tar({"ILSVRC2012_val_00000005.JPEG": b""})})
    message = message_of(unpack_val, tmp_path / VAL, tmp_path / "val", find_devkit(tmp_path))
    assert "has 'ILSVRC2012_val_00000005.JPEG', expected" in message


def test_a_devkit_without_its_files(tmp_path: Path) -> None:
    files = {name: x for name, x in devkit_files().items() if not name.endswith("meta.mat")}
    write_files(tmp_path, {"kit.tar.gz": tar(files, mode="w:gz")})
    message = message_of(unpack_devkit, tmp_path / "kit.tar.gz", tmp_path)
    assert f"has no '{DEVKIT}/data/meta.mat'" in message


def test_a_class_without_images_makes_no_folder(tmp_path: Path) -> None:
    images = {**train_images(), "n00000001": {}}
    write_files(tmp_path, {TRAIN: tar_of_tars(images)})
    unpack_classes(tmp_path / TRAIN, tmp_path / "root")
    assert contents(tmp_path / "root") == expected_train()


def test_the_check_says_what_is_missing(tmp_path: Path) -> None:
    write_archives(tmp_path)
    unpack_all(tmp_path, tmp_path)
    devkit = find_devkit(tmp_path)
    assert check_train(tmp_path / "train", devkit).problems == []
    assert check_val(tmp_path / "val", devkit).problems == []
    assert check_train(tmp_path / "train", None).problems == [
        "3 classes and 6 images; the official numbers are 1,000 and 1,281,167"
    ]
    next((tmp_path / "train" / WNIDS[0]).iterdir()).unlink()
    (tmp_path / "train" / WNIDS[1]).rename(tmp_path / "elsewhere")
    found = check_train(tmp_path / "train", devkit)
    assert found.counts.total() == 3
    assert found.problems == [
        f"1 class missing: {WNIDS[1]}",
        f"1 class with another number of images: {WNIDS[0]} has 1 of 2; delete their folders and "
        "unpack again",
    ]


def test_progress_is_reported(tmp_path: Path) -> None:
    write_archives(tmp_path)
    lines: list[str] = []
    unpack_classes(tmp_path / TRAIN, tmp_path / "root", total=3, report=lines.append)
    assert lines[1] == f"{TRAIN}: class 2 of 3, {WNIDS[1]}, 4 images unpacked"


def test_an_unknown_archive_is_named() -> None:
    message = message_of(role_of, Path("ILSVRC2012_img_valid.tar"))
    assert f"Did you mean '{VAL}'" in message
    assert "winter21_whole.tar.gz" in message


def test_an_absent_archive_is_named(tmp_path: Path) -> None:
    message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
    assert message.startswith(f"there is no archive '{tmp_path / TRAIN}'")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_archives(tmp_path)
    (tmp_path / "root").touch()
    message = message_of(unpack_classes, tmp_path / TRAIN, tmp_path / "root")
    assert message.startswith(f"cannot write '{tmp_path / 'root'}': File exists")
