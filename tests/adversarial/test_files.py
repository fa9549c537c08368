"""What is no file, links, and texts that are damaged or hostile."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adversarial.case import Case, check, command, table, tool
from adversarial.written import BOMB, Reader, bound, endless, file, pipe, sparse
from helpers.pictures import jpeg, texture

from vision import load, load_weights
from vision.cli.settings import read_config
from vision.data import COCO, YOLO, ImageFolder, ImageShards
from vision.data.files.finding import find_images
from vision.data.files.mapped_arrays import map_array
from vision.data.formats.coco import read_coco
from vision.data.formats.imagenet_archives import unpack_classes
from vision.data.formats.imagenet_labels import read_kaggle_labels
from vision.data.formats.sbd import read_sbd_mask
from vision.data.formats.voc import read_names
from vision.data.formats.yolo_layout import read_layout
from vision.data.images.read import read_image
from vision.data.images.sizes import read_size
from vision.data.shards.folders import index_folder
from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.ops.label_images import read_labels
from vision.predict.images import find_files, list_images
from vision.predict.video import Video
from vision.report.against import read_report

READERS: dict[str, tuple[str, Reader]] = {
    "an image": ("a.jpg", read_image),
    "the size of an image": ("a.jpg", read_size),
    "a mask": ("a.png", read_labels),
    "a mask of MATLAB": ("a.mat", read_sbd_mask),
    "annotations": ("a.json", lambda path: read_coco(path, path.parent)),
    "a dataset file": ("data.yaml", read_layout),
    "a list of names": ("ImageSets/Main/a.txt", lambda path: read_names(path.parents[2], "a")),
    "a list of labels": ("a.csv", read_kaggle_labels),
    "an array": ("a.npy", map_array),
    "an archive": ("a.tar", lambda path: unpack_classes(path, path.parent / "out")),
    "a shard": ("a.tar", lambda path: index_folder(str(path.parent))),
    "a config": ("a.yaml", read_config),
    "a report": ("a.json", read_report),
    "weights": ("a.pth", lambda path: load_weights(None, path)),
    "a model": ("a.safetensors", load),
    "a video": ("a.mp4", Video),
}


KINDS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a named pipe": (pipe, "named pipe"),
    "a device without an end": (endless, "is a device"),
    "a socket": (bound, "is a socket"),
    "a folder": (Path.mkdir, "is a folder"),
    "a sparse file": (sparse, "10,000,000,000,000 bytes"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("gone"), "'gone', which does not exist"),
    "endless text": (lambda path: path.symlink_to("/proc/self/pagemap"), "bytes or more"),
}


def no_file(kind: str, reader: str) -> Case:
    make, says = KINDS[kind]
    name, read = READERS[reader]

    def attempt(folder: Path) -> Any:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
        return read(path)

    return Case(f"{kind} as {reader}", attempt, says=(Path(name).name, says))


def fit(path: Path) -> Any:
    return command("fit", "--config", path)


def as_json(name: str, content: bytes | str, *says: str) -> Case:
    return Case(f"JSON: {name}", file("a.json", content, read_json), says=("a.json", *says))


def as_coco(name: str, content: bytes | str, *says: str) -> Case:
    read = READERS["annotations"][1]
    return Case(f"COCO: {name}", file("a.json", content, read), says=("a.json", *says))


def as_yaml(name: str, content: bytes | str, *says: str, read: Reader = read_config) -> Case:
    return Case(f"YAML: {name}", file("a.yaml", content, read), says=("a.yaml", *says))


LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)
)


def predicted(folder: Path) -> Any:
    """The images of a folder that also holds what is none; the names of what is refused."""
    (folder / "a.jpg").write_bytes(PHOTO)
    pipe(folder / "b.jpg")
    sparse(folder / "c.jpg")
    (folder / "d.jpg").symlink_to("gone.jpg")
    (folder / "e.jpg").symlink_to("e.jpg")
    (folder / "f.jpg").mkdir()
    bound(folder / "g.jpg")
    (folder / "h.jpg").write_bytes(BOMB)
    refused = []
    for one in list_images(folder):
        try:
            one.read()
        except DataError:
            refused.append(Path(one.name).stem)
    return "".join(refused)


def linked(folder: Path) -> Any:
    """Two folders that hold each other by links."""
    for own, other in ("ab", "ba"):
        (folder / own).mkdir(exist_ok=True)
        (folder / own / "to").symlink_to(f"../{other}")
        (folder / own / "1.jpg").touch()
    return [os.path.relpath(path, folder) for path in find_images(folder)]


def pattern(folder: Path) -> Any:
    """The same by a pattern, with links to the folder itself."""
    linked(folder)
    for i in range(9):
        (folder / f"back{i}").symlink_to(".")
    return [os.path.relpath(path, folder) for path in find_files(folder / "a" / "**" / "*.jpg")]


PLACES: dict[str, Callable[[str], Any]] = {
    "a root of class folders": lambda path: ImageFolder(root=path).setup("fit"),
    "a root of COCO": lambda path: COCO(root=path).setup("fit"),
    "a root of YOLO": lambda path: YOLO(root=path).setup("fit"),
    "a root of shards": lambda path: ImageShards(root=path).setup("fit"),
    "what is predicted": lambda path: [*list_images(path)],
    "a run to compare": lambda path: tool("compare", path, path),
}


def no_path(place: str, name: str, says: str) -> Case:
    """A path that no file system has, where a user gives one."""

    def attempt(folder: Path) -> Any:
        (folder / "loop").symlink_to("loop")
        return PLACES[place](name)

    return Case(f"{says} in {place}", attempt, says=(says,))


def farm(folder: Path) -> Any:
    """Folders that hold one another by links, in more ways than can be counted."""
    for i in range(15):
        (folder / str(i)).mkdir()
        for k in range(15):
            (folder / str(i) / f"to_{k}").symlink_to(f"../{k}")
    return find_images(folder)


LONG = "9" * 5000
DEEP = "[" * 50_000 + "]" * 50_000

PHOTO = jpeg(texture(8, 8))


@table(
    # What is no file, at each reader; and each kind of it
    *(no_file("a named pipe", reader) for reader in READERS),
    *(no_file(kind, "an image") for kind in KINDS if kind != "a named pipe"),
    *(no_file("a sparse file", reader) for reader in ("annotations", "a config", "a report")),
    *(no_file("a device without an end", reader) for reader in ("a config", "a model", "weights")),
    Case("a path with a NUL", lambda folder: read_image("a\0.jpg"), says=("embedded null byte",)),
    Case("a path of 5,000", lambda folder: read_image("x" * 5000), says=("too long",)),
    Case("a pattern of nothing", lambda folder: find_files(folder / "*.jpg"), says=("no image",)),
    Case("a folder with what is none", predicted, gives="bcdegh"),
    Case(
        "folders that link to each other",
        linked,
        gives=["a/1.jpg", "a/to/1.jpg", "b/1.jpg", "b/to/1.jpg"],
    ),
    Case("a pattern over links that lead back", pattern, gives=["a/1.jpg", "a/to/1.jpg"]),
    Case("a pattern with ** twice", lambda folder: find_files(folder / "**/x/**"), says=("twice",)),
    Case("more links than can be followed", farm, says=("is reached over 5 links",)),
    *(no_path(place, "a\0b", "null byte") for place in PLACES if "compare" not in place),
    *(no_path(place, "x" * 5000, "too long") for place in PLACES),
    *(no_path(place, "loop", "symbolic links") for place in PLACES if "predicted" not in place),
    # JSON
    as_json("empty", "", "empty (0 bytes)"),
    as_json("cut", '{"a": [1, 2', "cut off"),
    as_json("nested", DEEP, "nested too deeply"),
    as_json("nested objects", '{"a":' * 500 + "1" + "}" * 500, "nested too deeply"),
    as_json("an integer of 5,000 digits", f'{{"a": {LONG}}}', "5,000 digits", "line 1"),
    as_json("a float of 400 digits", f"[{'9' * 400}.0]", "larger than any float"),
    as_json("a float of exponent 999", "[\n1e999]", "1e999", "line 2"),
    as_json("NaN", '{"a": NaN}', "NaN"),
    as_json("half a character", r'{"a": "\udc80"}', "lone surrogate"),
    as_json("a NUL", '{"a": "\0"}', "Invalid control character"),
    as_json("a key twice", '{"a": 1, "a": 2}', "'a' twice"),
    as_json("UTF-16", '{"a": 1}'.encode("utf-16"), "UTF-16", "save it as UTF-8"),
    as_json("Latin-1", '{"ä": 1}'.encode("latin-1"), "not UTF-8", "0xe4"),
    as_json("packed", gzip.compress(b"{}"), "gzip archive"),
    as_json("a page", "<!DOCTYPE html><p>Not found", "web page"),
    as_coco("nested", DEEP, "nested too deeply"),
    as_coco("an integer of 5,000 digits", f'{{"images": [{LONG}]}}', "thousands of digits"),
    as_coco("half a character", r'{"images": ["\ud800"]}', "lone surrogate"),
    as_coco("cut", '{"images": [{"id": 1', "cut off"),
    as_coco("packed", b"PK\3\4", "ZIP archive"),
    # YAML
    as_yaml("aliases of aliases", LAUGHS, "aliases"),
    as_yaml("a value within itself", "a: &a [*a]", "contains itself"),
    as_yaml("nested", "a: " + "[" * 400 + "]" * 400, "nested too deeply"),
    as_yaml("an integer of 5,000 digits", f"a: {LONG}", "line 1", "'int'"),
    as_yaml("a float of 400 digits", f"a: {'9' * 400}.0", "line 1", "'float'"),
    as_yaml("no date", "a: 2026-13-45", "line 1", "2026-13-45"),
    as_yaml("an object", "a: !!python/object/apply:os.system [x]", "line 1", "python/object"),
    as_yaml("a NUL", "a: \0", "special characters"),
    as_yaml("UTF-16", "a: 1".encode("utf-16"), "UTF-16"),
    as_yaml("a key twice", "a: 1\na: 2", "line 2", "already set"),
    as_yaml("a command's config of aliases", LAUGHS, "aliases", read=fit),
    as_yaml("a command's config of 5,000 digits", f"seed: {LONG}", "line 1", read=fit),
    as_yaml("a dataset file of aliases", LAUGHS, "aliases", read=read_layout),
    # CSV
    Case(
        "CSV: a NUL",
        file("a.csv", "ImageId,x\na,\0", read_kaggle_labels),
        says=("a.csv", "line 2", "NUL"),
    ),
    Case(
        "CSV: an endless cell",
        file("a.csv", "ImageId,x\na," + "x" * 200_000, read_kaggle_labels),
        says=("a.csv", "line 2", "field limit"),
    ),
    Case(
        "CSV: an open quote",
        file("a.csv", 'ImageId,x\na,"x\n', read_kaggle_labels),
        says=("a.csv", "line 2", "end of data"),
    ),
)
def test_files(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, caplog)
    assert not (tmp_path / "executed").exists(), "code of the file ran"
