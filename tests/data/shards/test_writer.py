import random
from pathlib import Path

import pytest
import webdataset
from helpers.refusals import refuses
from helpers.shards import class_folders, picture, read_tar

from vision import data as datasets
from vision.data import ImageFolder
from vision.data.images.read import EncodedImage
from vision.data.shards import writer as shard_writer
from vision.data.shards.folders import check_folder
from vision.data.shards.index import read_index
from vision.data.shards.writer import make_shards
from vision.errors import ConfigError, DataError

SHARD_BYTES = 20_480


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "source")


def shards_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def test_shards_hold_the_images_and_labels_of_the_folders(source: Path, tmp_path: Path) -> None:
    made = make_shards(ImageFolder(root=source), tmp_path / "out", shard_bytes=SHARD_BYTES)
    assert list(made) == ["train", "val"]
    for split, count in (("train", 40), ("val", 10)):
        expected = sorted(
            (label, path.read_bytes())
            for label, name in enumerate(("ant", "bee"))
            for path in (source / split / name).iterdir()
        )
        paths = sorted((tmp_path / "out" / split).glob("*.tar"))
        assert len(paths) > 1
        assert all(path.stat().st_size <= SHARD_BYTES for path in paths)
        # Two readers of other people's.
        members = {name: data for path in paths for name, data in read_tar(path).items()}
        by_tarfile = {
            (name.removesuffix(".png"), int(members[name.replace(".png", ".cls")]), data)
            for name, data in members.items()
            if name.endswith(".png")
        }
        by_webdataset = {
            (sample["__key__"], int(sample["cls"]), sample["png"])
            for sample in webdataset.WebDataset([str(path) for path in paths], shardshuffle=False)
        }
        assert by_tarfile == by_webdataset
        assert len(by_tarfile) == count
        assert sorted((label, data) for _, label, data in by_tarfile) == expected
    assert not list(check_folder(str(tmp_path / "out"), workers=2))


def test_classes_are_those_of_the_image_folder(source: Path, tmp_path: Path) -> None:
    made = make_shards(ImageFolder(root=source), tmp_path / "out")
    for index in (made["train"], read_index(str(tmp_path / "out/val"))):
        assert index.class_names == ImageFolder(root=source).class_names == ("ant", "bee")


def test_the_same_files_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    copy = class_folders(tmp_path / "elsewhere")
    make_shards(ImageFolder(root=source), tmp_path / "a", shard_bytes=SHARD_BYTES)
    make_shards(ImageFolder(root=copy), tmp_path / "b", shard_bytes=SHARD_BYTES, workers=3)
    make_shards(ImageFolder(root=source), tmp_path / "c", shard_bytes=SHARD_BYTES, seed=1)
    first, second, other = (shards_of(tmp_path / name / "train") for name in "abc")
    assert first == second
    assert first.keys() == other.keys()
    assert first != other


def test_classes_are_mixed(source: Path, tmp_path: Path) -> None:
    index = make_shards(ImageFolder(root=source), tmp_path / "out")["train"]
    labels = index.places["label"].tolist()
    assert labels != sorted(labels)
    assert labels.count(0) == labels.count(1) == 20


def test_keys_tell_the_file_and_are_unique(source: Path, tmp_path: Path) -> None:
    (source / "train/ant/ä b.c.jpg").write_bytes(picture(3))
    (source / f"train/bee/{'long' * 50}.png").write_bytes(picture(3))
    make_shards(ImageFolder(root=source), tmp_path / "out")
    (path,) = (tmp_path / "out/train").glob("*.tar")
    names = [name for name in read_tar(path) if not name.endswith(".cls")]
    stems = [name[:8] for name in names]
    assert sorted(stems) == [f"{i:08d}" for i in range(42)]
    assert any(name.endswith("-__b_c.jpg") for name in names)
    assert any(name[9:] == "ant_7.png" for name in names)
    assert all(name.count(".") == 1 and len(name) < 100 for name in names)


def test_an_interrupted_run_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "expected"
    make_shards(ImageFolder(root=source), expected, shard_bytes=SHARD_BYTES)
    out, read = tmp_path / "out", shard_writer.read_file
    reads = []

    def failing(path: Path) -> EncodedImage:
        reads.append(path)
        if len(reads) == 30:
            raise KeyboardInterrupt
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(shard_writer, "read_file", failing)
        with pytest.raises(KeyboardInterrupt):
            make_shards(ImageFolder(root=source), out, shard_bytes=SHARD_BYTES)
    assert not (out / "train").exists()
    done = {path: path.stat().st_mtime_ns for path in out.glob(".train-*/*.tar")}
    assert done
    make_shards(ImageFolder(root=source), out, shard_bytes=SHARD_BYTES)
    assert shards_of(out / "train") == shards_of(expected / "train")
    kept = [(out / "train" / path.name).stat().st_mtime_ns for path in done]
    assert kept == list(done.values())
    assert sorted(path.name for path in out.iterdir()) == ["train", "val"]


def test_shards_that_are_there_are_left_alone(source: Path, tmp_path: Path) -> None:
    make_shards(ImageFolder(root=source), tmp_path / "out")
    with refuses(DataError, "out/train", "already"):
        make_shards(ImageFolder(root=source), tmp_path / "out", seed=1)


@pytest.mark.parametrize("name", ["ImageShards", "DetectionShards", "SegmentationShards"])
def test_shards_are_not_made_of_shards(name: str, tmp_path: Path) -> None:
    data = getattr(datasets, name)(root=tmp_path / "shards")
    with refuses(ConfigError, name, "made of image files"):
        make_shards(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_folder_is_split_as_the_image_folder_splits_it(source: Path, tmp_path: Path) -> None:
    flat = source / "train"
    made = make_shards(ImageFolder(root=flat, val_fraction=0.25, seed=4), tmp_path / "out", seed=4)
    data = ImageFolder(root=flat, val_fraction=0.25, seed=4)
    data.setup("fit")
    held_out = {Path(data.val_dataset.paths[i]).read_bytes() for i in range(10)}
    (path,) = (tmp_path / "out/val").glob("*.tar")
    assert {data for name, data in read_tar(path).items() if name.endswith("png")} == held_out
    assert (len(made["train"]), len(made["val"])) == (30, 10)


def test_a_test_set_is_written_too(source: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "more", val=3)
    (tmp_path / "more/val").rename(source / "test")
    assert len(make_shards(ImageFolder(root=source), tmp_path / "out")["test"]) == 6


def test_sizes_are_planned_exactly(tmp_path: Path) -> None:
    draw = random.Random(0)
    for folder in ("train", "val"):
        (tmp_path / folder / "one").mkdir(parents=True)
        for i in range(60):
            content = picture(i) + bytes(draw.randrange(3000))
            (tmp_path / folder / "one" / f"{i}.png").write_bytes(content)
    limit = 40_960
    index = make_shards(ImageFolder(root=tmp_path), tmp_path / "out", shard_bytes=limit)["train"]
    sizes = [shard.size for shard in index.shards]
    assert max(sizes) <= limit
    assert min(sizes[:-1]) > limit - 10_240 - 5_120  # not another sample would have fitted


def test_wrong_options_and_files_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shard_bytes=0"):
        make_shards(ImageFolder(root=source), tmp_path / "out", shard_bytes=0)
    with pytest.raises(DataError, match="there is no folder"):
        make_shards(ImageFolder(root=tmp_path / "nothing"), tmp_path / "out")
    (source / "train/ant/empty.png").touch()
    with refuses(DataError, "empty.png' is empty"):
        make_shards(ImageFolder(root=source), tmp_path / "out")
