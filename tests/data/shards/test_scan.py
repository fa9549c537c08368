import io
import json
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from helpers.refusals import refuses
from helpers.shards import picture, read_tar, write_tar

from vision.data.images.read import decode_image
from vision.data.shards.folders import check_folder, index_folder
from vision.data.shards.forms import find_form
from vision.data.shards.index import read_index
from vision.data.shards.reader import ShardReader
from vision.data.shards.scan import scan_shard
from vision.errors import DataError, MissingPackageError

IMAGE = picture(7)


def message_of(folder: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        index_folder(str(folder), **options)
    assert not (folder / "index.json").exists()
    return str(caught.value)


def test_shards_of_webdataset_are_indexed(tmp_path: Path) -> None:
    # Written by webdataset, with its options as they are, in two shards.
    with webdataset.ShardWriter(f"{tmp_path}/x-%d.tar", maxcount=3, verbose=0) as writer:
        for i in range(5):
            sample = {"__key__": f"dir.1/im{i}", "png": picture(i), "cls": i % 3, "txt": "a word"}
            writer.write(sample)
    (index,) = index_folder(str(tmp_path)).values()
    assert index.class_names == ("0", "1", "2")
    assert index.places["label"].tolist() == [0, 1, 2, 0, 1]
    assert [(shard.name, shard.samples) for shard in index.shards] == [
        ("x-0.tar", 3),
        ("x-1.tar", 2),
    ]
    reader = ShardReader(str(tmp_path), read_index(str(tmp_path)))
    for i in range(5):
        encoded = reader.read(i)
        assert encoded.data == picture(i)
        assert encoded.name == f"{tmp_path}/x-{i // 3}.tar/dir.1/im{i}.png"
    assert not list(check_folder(str(tmp_path)))


def test_members_are_grouped_as_webdataset_does(tmp_path: Path) -> None:
    members = [
        ("__meta__", b"left out"),
        ("__folder__/a.png", IMAGE),
        ("./b.PNG", picture(1)),
        ("./b.cls", b" 1\n"),
        ("./b.seg.png", picture(200)),
        ("no_suffix", b"x"),
        ("c.json", b'{"label": 0}'),
        ("c.jpeg", picture(2)),
    ]
    path = write_tar(tmp_path / "a.tar", members)
    (index,) = index_folder(str(tmp_path)).values()
    reader = ShardReader(str(tmp_path), index)
    ours = [(int(index.places["label"][i]), reader.read(i).data) for i in range(len(index))]
    assert ours == [(1, picture(1)), (0, picture(2))]
    theirs = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert [sample.get("png", sample.get("jpeg")) for sample in theirs] == [d for _, d in ours]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read(tmp_path: Path, format: int) -> None:
    name = f"{'f' * 60}/{'k' * 90}" if format == tarfile.USTAR_FORMAT else f"ü{'k' * 150}"
    with tarfile.open(tmp_path / "a.tar", "w", format=format) as tar:
        for suffix, content in ((".png", IMAGE), (".cls", b"0")):
            member = tarfile.TarInfo(name + suffix)
            member.size = len(content)
            member.mtime = 1.5  # PAX has a header of its own for it
            tar.addfile(member, io.BytesIO(content))
    (index,) = index_folder(str(tmp_path)).values()
    assert ShardReader(str(tmp_path), index).read(0).data == IMAGE


def test_names_are_sorted_and_shared_by_all_splits(tmp_path: Path) -> None:
    write_tar(tmp_path / "train/a.tar", [("0.png", IMAGE), ("0.cls", b"rose")])
    write_tar(tmp_path / "val/a.tar", [("0.png", IMAGE), ("0.json", b'{"label": "daisy"}')])
    made = index_folder(f"{tmp_path}/")
    assert list(made) == [f"{tmp_path}/train", f"{tmp_path}/val"]
    assert {index.class_names for index in made.values()} == {("daisy", "rose")}
    assert [index.places["label"].tolist() for index in made.values()] == [[1], [0]]


def test_classes_can_be_given_and_are_kept(tmp_path: Path) -> None:
    members = [("0.png", IMAGE), ("0.cls", b"2"), ("1.png", IMAGE), ("1.cls", b"bee")]
    write_tar(tmp_path / "a.tar", members)
    for given in (["ant", "bee", "cat", "dog"], None):
        (index,) = index_folder(str(tmp_path), class_names=given).values()
        assert index.class_names == ("ant", "bee", "cat", "dog")
        assert index.places["label"].tolist() == [2, 1]


def test_the_field_of_json_can_be_named(tmp_path: Path) -> None:
    data = json.dumps({"species": 1, "labels": 3}).encode()
    write_tar(tmp_path / "a.tar", [("0.png", IMAGE), ("0.json", data)])
    message = message_of(tmp_path)
    assert "a.tar/0.json' has no field 'label'. Did you mean 'labels'?" in message
    assert "--field" in message
    (index,) = index_folder(str(tmp_path), field="species").values()
    assert index.places["label"].tolist() == [1]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("0.txt", b""), ("0.cls", b"0")], "a.tar/0' has no image: its members end in .txt .cls"),
        ([("0.png", IMAGE), ("0.jpg", IMAGE), ("0.cls", b"0")], "a.tar/0' has 2 images"),
        ([("0.png", IMAGE)], "a.tar/0' has no label: expected 0.cls"),
        ([("0.png", b""), ("0.cls", b"0")], "a.tar/0.png' is empty"),
        ([("0.png", IMAGE), ("0.cls", b"")], "a.tar/0.cls' is not a label"),
        ([("0.png", IMAGE), ("0.cls", b"\xff")], "a.tar/0.cls' cannot be read as a label"),
        (
            [("0.png", IMAGE), ("0.cls", b"7" * (2 << 20))],
            "0.cls' is not a label: it has 2,097,152",
        ),
        ([("0.png", IMAGE), ("0.json", b"[")], "a.tar/0.json' cannot be read as a label"),
        ([("0.png", IMAGE), ("0.json", b"[1]")], "a.tar/0.json' cannot be read as a label"),
        ([("0.png", IMAGE), ("0.json", b'{"label": [1]}')], "expected a number or the name"),
        ([("0.png", IMAGE), ("0.json", b'{"label": true}')], "expected a number or the name"),
        ([("0.png", IMAGE), ("0.cls", b"0"), ("0.cls", b"1")], "refused: 0.cls: duplicate"),
    ],
)
def test_wrong_samples_are_named(
    tmp_path: Path, members: list[tuple[str, bytes]], expected: str
) -> None:
    write_tar(tmp_path / "a.tar", members)
    assert expected in message_of(tmp_path)


def test_a_label_beside_the_classes_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.png", IMAGE), ("0.cls", b"daysy")])
    message = message_of(tmp_path, class_names=["daisy", "rose"])
    assert "label 'daysy', which is not one of the 2 classes. Did you mean 'daisy'?" in message
    write_tar(tmp_path / "a.tar", [("0.png", IMAGE), ("0.cls", b"-1")])
    assert "label '-1'" in message_of(tmp_path, class_names=["daisy", "rose"])


def test_huge_numbers_are_names(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.png", IMAGE), ("0.cls", b"9" * 5000)])
    (index,) = index_folder(str(tmp_path)).values()
    assert index.class_names == ("9" * 5000,)


def test_damage_is_named(tmp_path: Path) -> None:
    members = [
        (f"{i}.{suffix}", data)
        for i in range(3)
        for suffix, data in (("png", IMAGE), ("cls", b"0"))
    ]
    path = write_tar(tmp_path / "a.tar", members)
    whole = path.read_bytes()
    # Within a member, within a header, between two members, and a broken header.
    block = 512
    for content in (
        whole[: 3 * block + 9],
        whole[: 2 * block + 100],
        whole[: 2 * block],
        whole[: 2 * block] + bytes([whole[2 * block] ^ 1]) + whole[2 * block + 1 :],
        b"",
        b"no tar" * 1000,
    ):
        path.write_bytes(content)
        message = message_of(tmp_path)
        assert "a.tar' is truncated or damaged" in message


def test_other_members_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("0.cls", tarfile.SYMTYPE), ("0.png", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            tar.addfile(member)
        for name, content in (("1.png", IMAGE), ("1.cls", b"0")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (index,) = index_folder(str(tmp_path)).values()
    assert len(index) == 1


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (sys.exit, ("code in the data was run",))


def test_code_in_a_shard_is_not_run(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb())
    members = [("0.cls", b"0"), ("0.png", IMAGE), ("0.pkl", bomb), ("0.pyd", bomb), ("0.pth", bomb)]
    write_tar(tmp_path / "a.tar", members)
    (index,) = index_folder(str(tmp_path)).values()
    reader = ShardReader(str(tmp_path), index)
    assert decode_image(reader.read(0)).shape == (3, 10, 12)
    assert not list(check_folder(str(tmp_path)))
    np.save(tmp_path / "index.npy", np.array([Bomb()]), allow_pickle=True)
    with pytest.raises(DataError, match="another SHA-256"):
        read_index(str(tmp_path))


def test_folders_without_shards(tmp_path: Path) -> None:
    assert "there is no folder" in message_of(tmp_path / "nothing")
    assert "there are no *.tar" in message_of(tmp_path)
    (tmp_path / "a.tar.gz").touch()
    message = message_of(tmp_path)
    assert "a.tar.gz' is compressed" in message
    assert "Unpack" in message


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    members = [("0.png", IMAGE), ("0.cls", b"0"), ("1.png", picture(3)[:45]), ("1.cls", b"0")]
    for name in "abcd":
        write_tar(tmp_path / f"{name}.tar", members)
    index_folder(str(tmp_path))
    (tmp_path / "b.tar").unlink()
    write_tar(tmp_path / "c.tar", members[:2])
    write_tar(tmp_path / "new.tar", members)
    path = tmp_path / "d.tar"
    path.write_bytes(path.read_bytes()[:600])
    problems = "\n".join(check_folder(str(tmp_path), workers=2))
    assert f"'{tmp_path}/b.tar' is absent" in problems
    assert f"'{tmp_path}/new.tar' is not in the index" in problems
    assert f"{tmp_path}/a.tar/1.png' is truncated" in problems
    assert f"{tmp_path}/c.tar' is not the one that the index describes" in problems
    assert f"{tmp_path}/d.tar' is truncated" in problems
    assert len(problems.splitlines()) == 5


def test_remote_shards_are_indexed_where_they_are() -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, content in (("0.png", IMAGE), ("0.cls", b"0")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    system.pipe_file("/indexed/train/a.tar", tar.getvalue())
    index_folder("memory://indexed")
    assert len(read_index("memory://indexed/train")) == 1
    assert not list(check_folder("memory://indexed/"))


def test_a_missing_webdataset_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webdataset.tariterators", None)
    with refuses(MissingPackageError, "install", "webdataset"):
        scan_shard(io.BytesIO(), "a.tar", form=find_form("classification"))


def test_labels_do_not_disturb_the_order(tmp_path: Path) -> None:
    members = [
        part
        for i in range(50)
        for part in ((f"{i}.cls", str(i).encode()), (f"{i}.png", picture(i)))
    ]
    path = write_tar(tmp_path / "a.tar", members)
    with path.open("rb") as file:
        scan = scan_shard(file, "a.tar", form=find_form("classification"))
    assert scan.texts == [str(i) for i in range(50)]
    whole, by_name = path.read_bytes(), read_tar(path)
    for i, (offset, size, _) in enumerate(scan.places.tolist()):
        assert whole[offset : offset + size] == by_name[f"{i}.png"]
