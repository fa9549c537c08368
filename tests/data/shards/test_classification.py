import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.shards import Server, class_folders, fit, picture, serve, write_tar

from vision.data import ImageFolder, ImageShards
from vision.data.shards import datamodule as sharded
from vision.data.shards import remote as shard_remote
from vision.data.shards.ahead import FetchAhead
from vision.data.shards.cache import user_cache
from vision.data.shards.folders import index_folder
from vision.data.shards.writer import make_shards
from vision.errors import ConfigError, DataError, ImageError

SHARD_BYTES = 20_480


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "source", train=30)


@pytest.fixture
def shards(source: Path, tmp_path: Path) -> Path:
    make_shards(ImageFolder(root=source), tmp_path / "shards", shard_bytes=SHARD_BYTES)
    return tmp_path / "shards"


@pytest.fixture
def server(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(shard_remote, "WAITS", (0.01, 0.01))
    with serve(shards) as server:
        yield server


def make(root: Path | str, **options: object) -> ImageShards:
    defaults = {"root": root, "image_size": 8, "num_workers": 0, "batch_size": 4, "window": 2}
    return ImageShards(**{**defaults, **options})


def grey_levels(batches: Any) -> list[tuple[int, int]]:
    """Label and grey level of each image, in order."""
    return [
        (int(label), int(image[0, 4, 4]))
        for batch in batches
        for label, image in zip(batch["label"], batch["image"], strict=True)
    ]


def test_the_images_of_the_folders_come_out(source: Path, shards: Path) -> None:
    data, folder = make(shards), ImageFolder(root=source, image_size=8, num_workers=0)
    for each in (data, folder):
        each.setup("fit")
    assert data.class_names == folder.class_names
    assert (data.num_classes, data.train_size) == (2, 60)
    expected = sorted(grey_levels(folder.val_dataloader()))
    assert sorted(grey_levels(data.val_dataloader())) == expected
    expected = [(i % 2, i) for i in range(60)]
    # One grey level per image: crops and flips do not change it.
    assert sorted(grey_levels(data.train_dataloader()), key=lambda pair: pair[1]) == expected
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].dtype == torch.uint8
    assert batch["image"].shape == (4, 3, 8, 8)
    assert batch["label"].dtype == torch.int64


def test_evaluation_reads_in_the_order_of_the_shards(shards: Path) -> None:
    data = make(shards)
    data.setup("validate")
    labels = [label for label, _ in grey_levels(data.val_dataloader())]
    assert labels == data.val_dataset.reader.index.places["label"].tolist()
    assert data.train_dataset is None


def test_prediction_names_shard_and_member(shards: Path) -> None:
    data = make(shards)
    data.setup("predict")
    (path, *_) = next(iter(data.predict_dataloader()))["path"]
    assert path.startswith(f"{shards}/val/val-000000.tar/00000000-")


def test_the_test_set_is_the_validation_set_unless_there_is_one(
    shards: Path, tmp_path: Path
) -> None:
    data = make(shards)
    data.setup("test")
    assert len(data.test_dataset) == 10
    other = class_folders(tmp_path / "other", val=3)
    make_shards(ImageFolder(root=other), tmp_path / "more")
    (tmp_path / "more/val").rename(shards / "test")
    data = make(shards)
    data.setup("test")
    assert len(data.test_dataset) == 6


def test_workers_do_not_change_the_data(shards: Path) -> None:
    expected, actual = make(shards), make(shards, num_workers=2)
    for data in (expected, actual):
        data.setup("fit")
    first = list(expected.train_dataloader())
    # What workers that are not forked get.
    actual.train_dataset = pickle.loads(pickle.dumps(actual.train_dataset))
    for batch, other in zip(first, actual.train_dataloader(), strict=True):
        assert torch.equal(batch["image"], other["image"])
        assert torch.equal(batch["index"], other["index"])


@pytest.mark.parametrize("workers", [0, 2])
def test_remote_shards_give_the_same(
    shards: Path, server: Server, tmp_path: Path, workers: int
) -> None:
    local = make(shards)
    remote = make(server.url, cache_dir=tmp_path / "cache", num_workers=workers)
    for data in (local, remote):
        data.setup("fit")
    expected = list(local.train_dataloader())
    name = "train/train-000001.tar"
    server.faults[name] = [503, "cut"]
    for batch, other in zip(expected, remote.train_dataloader(), strict=True):
        assert torch.equal(batch["image"], other["image"])
    assert sorted(grey_levels(remote.val_dataloader())) == sorted(
        grey_levels(local.val_dataloader())
    )
    tars = {name: n for name, n in server.requests.items() if name.endswith(".tar")}
    assert tars.pop(name) == 3
    assert set(tars.values()) == {1}  # by whichever process came first
    assert len(list((tmp_path / "cache").rglob("*.tar"))) == len(tars) + 1


def test_a_small_cache_is_enough(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The number of requests would depend on which thread comes first.
    monkeypatch.setattr(sharded, "FetchAhead", lambda fetch: None)
    data = make(server.url, cache_dir=tmp_path / "cache", cache_bytes=4 * SHARD_BYTES)
    data.setup("fit")
    count = len(data.train_dataset.reader.index.shards)
    assert count > 4
    levels = grey_levels(data.train_dataloader())
    assert sorted(level for _, level in levels) == list(range(60))
    left = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.tar"))
    assert left <= 4 * SHARD_BYTES
    # Each shard comes once: the order does not return to one that has been read.
    assert sum(n for name, n in server.requests.items() if name.endswith(".tar")) == count


def test_a_cache_that_is_too_small_is_refused(server: Server, tmp_path: Path) -> None:
    data = make(server.url, cache_dir=tmp_path, cache_bytes=2 * SHARD_BYTES)
    with refuses(ConfigError, "cache_bytes=40,960", "--data.window"):
        data.setup("fit")


def test_object_storage(shards: Path, tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").put(f"{shards}/", "/bucket/set", recursive=True)
    data = make("memory://bucket/set/", cache_dir=tmp_path / "cache")
    data.setup("fit")
    assert len(grey_levels(data.train_dataloader())) == 60
    data.setup("test")
    assert len(grey_levels(data.test_dataloader())) == 10


def test_shards_that_were_made_anew_are_fetched_anew(
    shards: Path, source: Path, server: Server, tmp_path: Path
) -> None:
    options = {"cache_dir": tmp_path / "cache"}
    for seed in (0, 1):
        data = make(server.url, **options)
        data.setup("fit")
        levels = grey_levels(data.train_dataloader())
        assert sorted(levels, key=lambda pair: pair[1]) == [(i % 2, i) for i in range(60)]
        if seed == 0:
            make_shards(ImageFolder(root=source), tmp_path / "new", shard_bytes=SHARD_BYTES, seed=1)
            server.folder = tmp_path / "new"


def test_a_shard_that_cannot_be_fetched_ends_the_run(server: Server, tmp_path: Path) -> None:
    data = make(server.url, cache_dir=tmp_path / "cache", num_workers=1)
    data.setup("fit")
    server.faults["train/train-000000.tar"] = ["cut"] * 99
    with pytest.raises(DataError) as caught:
        list(data.train_dataloader())
    assert str(caught.value).startswith(
        f"'{server.url}/train/train-000000.tar' cannot be read after 3 tries"
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        members = []
        for i in range(8):
            content = picture(i) if i != 3 else b"\xff\xd8 no image"
            members += [(f"im/{i}.jpg", content), (f"im/{i}.cls", b"0")]
        write_tar(tmp_path / split / "a.tar", members)
    index_folder(str(tmp_path))
    return tmp_path


def test_a_broken_image_is_named_by_shard_and_member(broken: Path) -> None:
    data = make(broken)
    data.setup("fit")
    with pytest.raises(ImageError, match=rf"{broken}/val/a\.tar/im/3\.jpg"):
        list(data.val_dataloader())


def test_a_broken_image_can_be_gone_past(broken: Path) -> None:
    data = make(broken, skip_bad_images=1)
    data.setup("fit")
    batches = [data.on_before_batch_transfer(b, 0) for b in data.val_dataloader()]
    assert [level for _, level in grey_levels(batches)] == [0, 1, 2, 4, 5, 6, 7]
    (message,) = data.bad_images.messages
    assert "a.tar/im/3.jpg" in message
    assert len(grey_levels(data.train_dataloader())) == 8


def test_wrong_trees_are_explained(shards: Path, tmp_path: Path) -> None:
    with refuses(DataError, "nothing/train/index.json", "vision shard make`", "ROOT"):
        make(tmp_path / "nothing").setup("fit")
    index_folder(str(shards / "val"), class_names=["wasp", "bee"])
    with refuses(DataError, "classes", "train"):
        make(shards).setup("fit")
    with pytest.raises(ConfigError, match="window=0"):
        make(shards, window=0)


@pytest.mark.parametrize("kill", [4, 18])
def test_a_fit_goes_on_where_it_stopped(shards: Path, tmp_path: Path, kill: int) -> None:
    path = tmp_path / "stopped.ckpt"
    whole = fit(make(shards), path)
    assert len(whole.seen) == 30
    begun = fit(make(shards), path, kill=kill)
    rest = fit(make(shards, num_workers=1), path, resume=True)
    assert begun.seen + rest.seen == whole.seen
    assert len(begun.seen) == kill


def test_an_epoch_is_not_resumed_in_another_order(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "stopped.ckpt"
    fit(make(shards), path, kill=4)
    with refuses(ConfigError, "2 then", "3"):
        fit(make(shards, window=3), path, resume=True)


def test_fetching_ahead_leaves_errors_to_who_needs_the_shard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    fetched: list[int] = []

    def fetch(shard: int) -> None:
        if shard == 1:
            begun.set()
            assert go_on.wait(30)
            raise DataError("no such shard")
        fetched.append(shard)
        done.set()

    ahead = FetchAhead(fetch)
    ahead(1)
    assert begun.wait(30)
    ahead(2)  # in use already when 1 is there
    ahead(3)
    go_on.set()
    assert done.wait(30)
    assert fetched == [3]
    assert "no such shard" in caplog.text


def test_the_cache_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/vision/shards")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache/vision/shards"
