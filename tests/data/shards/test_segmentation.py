import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset
from helpers.shards import Server, assert_equal, fit, quiet_trainer, read_tar, serve
from helpers.tiny_masks import CLASSES, COLORS, IGNORED_COLOR, class_map, write_mask_folder
from helpers.tiny_segmentation import tiny_segmentor

from vision.data import MaskFolder, SegmentationShards
from vision.data.loading.sampling import SeededSamples
from vision.data.shards import remote as shard_remote
from vision.data.shards.folders import check_folder, index_folder
from vision.data.shards.writer import make_shards
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import ConfigError, DataError, ImageError

SMALL: dict[str, Any] = {
    "augment": SegmentationAugment(short_side=40, long_side=160, crop=(32, 48)),
    "short_side": 40,
    "long_side": 160,
    "num_workers": 0,
}
RGB: dict[str, Any] = {"colors": COLORS.tolist(), "ignored_colors": [IGNORED_COLOR]}
SHARD_BYTES = 20_480


def folder(root: Path, **options: Any) -> MaskFolder:
    return MaskFolder(root=root, **{**SMALL, **RGB, **options})


def shards(root: Path | str, **options: Any) -> SegmentationShards:
    return SegmentationShards(root=root, **{**SMALL, "window": 2, **options})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("masks")
    return write_mask_folder(root, counts={"train": 11, "val": 5}, coding="rgb")


@pytest.fixture(scope="module")
def root(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("segmentation") / "shards"
    make_shards(folder(source), out, shard_bytes=SHARD_BYTES)
    assert len([*(out / "train").glob("*.tar")]) > 3
    return out


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(shard_remote, "WAITS", (0.01, 0.01))
    with serve(root) as server:
        yield server


def test_every_sample_is_that_of_the_files(source: Path, root: Path) -> None:
    expected, actual = folder(source), shards(root)
    for data in (expected, actual):
        data.setup("fit")
    assert actual.class_names == expected.class_names == CLASSES
    np.testing.assert_array_equal(actual.palette, expected.palette)
    assert actual.prediction_values is None
    assert actual.train_size == expected.train_size == 11
    for image in range(11):
        # KEY is a number and the name of the file, which is its place in the folder.
        name = Path(actual.train_dataset[image]["path"]).stem
        place = expected.train_dataset.paths.index(f"{source}/images/train/{name[9:]}.png")
        with torch.random.fork_rng():
            drawn = []
            for data, number in ((expected, place), (actual, image)):
                torch.manual_seed(image)
                drawn.append({**data.train_dataset[number], "path": ""})
        assert_equal(*drawn)
    for batch, other in zip(expected.val_dataloader(), actual.val_dataloader(), strict=True):
        assert_equal({**batch, "path": []}, {**other, "path": []})


def test_values_of_predictions_are_kept(tmp_path: Path) -> None:
    options = {"colors": None, "ignored_colors": (), "values": [10, 5, 200], "ignored": [0]}
    values = {0: 10, 1: 5, 2: 200, 255: 0}
    write_mask_folder(tmp_path / "masks", values=values)
    make_shards(folder(tmp_path / "masks", **options), tmp_path / "out")
    data = shards(tmp_path / "out")
    data.setup("validate")
    assert data.prediction_values.tolist() == [10, 5, 200]
    assert data.palette is None
    assert torch.equal(data.val_dataset[1]["mask"], torch.from_numpy(class_map(101)))


def test_other_readers_find_image_and_mask(source: Path, root: Path) -> None:
    paths = sorted(str(path) for path in (root / "val").glob("*.tar"))
    samples = [*webdataset.WebDataset(paths, shardshuffle=False).decode("pil")]
    assert len(samples) == 5
    for image, sample in enumerate(samples):  # in the order of the dataset
        assert sample["__key__"] == f"{image:08d}-{image}"
        labels = np.asarray(sample["mask.png"].convert("L"))
        np.testing.assert_array_equal(labels, class_map(100 + image))
    members = {name: data for path in paths for name, data in read_tar(Path(path)).items()}
    for image in range(5):
        content = (source / f"images/val/{image}.png").read_bytes()
        assert members[f"{image:08d}-{image}.png"] == content


def test_a_resumed_fit_ends_with_the_same_weights_and_scores(
    source: Path, root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "stopped.ckpt"

    def run(**options: Any) -> Any:
        return fit(shards(root), path, model=tiny_segmentor(num_classes=3), **options)

    whole = run()
    run(kill=3)
    rest = run(resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name
    (of_files,) = quiet_trainer().validate(whole, folder(source), verbose=False)
    (of_shards,) = quiet_trainer().validate(rest, shards(root), verbose=False)
    assert of_files == of_shards
    assert 0 < of_files["val/mIoU"] < 1


@pytest.mark.parametrize("kill", [3, 8])
def test_a_fit_goes_on_where_it_stopped(root: Path, tmp_path: Path, kill: int) -> None:
    path = tmp_path / "stopped.ckpt"
    whole = fit(shards(root), path)
    begun = fit(shards(root), path, kill=kill)
    rest = fit(shards(root, num_workers=1), path, resume=True)
    assert begun.seen + rest.seen == whole.seen


@pytest.mark.parametrize("workers", [0, 2])
def test_remote_shards_give_the_same(
    root: Path, server: Server, tmp_path: Path, workers: int
) -> None:
    local = shards(root)
    remote = shards(server.url, cache_dir=tmp_path / "cache", num_workers=workers)
    remote.setup("fit")
    # Nothing is fetched to look at masks before a run.
    assert not [name for name in server.requests if name.endswith(".tar")]
    local.setup("fit")
    for loader in ("train_dataloader", "val_dataloader"):
        batches = zip(getattr(local, loader)(), getattr(remote, loader)(), strict=True)
        for batch, other in batches:
            assert_equal({**batch, "path": []}, {**other, "path": []})
    assert {n for name, n in server.requests.items() if name.endswith(".tar")} == {1}


def test_names_are_read_without_the_images(root: Path) -> None:
    data = shards(root)
    data.setup("predict")
    paths = data.predict_dataset.paths
    assert paths[0] == data.predict_dataset[0]["path"]
    assert paths[:2] == [f"{root}/val/val-000000.tar/0000000{i}-{i}.png" for i in range(2)]
    assert "mask" not in data.predict_dataset[0]
    assert data.index("val").masks[1].endswith("00000001-1.mask.png")


def test_a_broken_image_can_be_gone_past(source: Path, tmp_path: Path) -> None:
    write_mask_folder(tmp_path / "masks", coding="rgb")
    broken = tmp_path / "masks/images/val/1.png"
    broken.write_bytes(broken.read_bytes()[:300])
    make_shards(folder(tmp_path / "masks"), tmp_path / "out")
    data = shards(tmp_path / "out")
    data.setup("validate")
    with pytest.raises(ImageError, match=r"val-000000\.tar/00000001-1\.png"):
        list(data.val_dataloader())
    data = shards(tmp_path / "out", skip_bad_images=1)
    data.setup("validate")
    batches = [data.on_before_batch_transfer(batch, 0) for batch in data.val_dataloader()]
    assert sum(len(batch["image"]) for batch in batches) == 1


def test_a_mask_that_does_not_fit_is_told_before_anything_is_written(
    source: Path, tmp_path: Path
) -> None:
    write_mask_folder(tmp_path / "masks", coding="rgb")
    with pytest.raises(DataError, match="colour"):
        make_shards(folder(tmp_path / "masks", ignored_colors=[]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shards_of_other_makers_are_indexed(root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for path in (root / split).glob("*.tar"):
            (tmp_path / split / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ConfigError, match="--classes FILE"):
        index_folder(str(tmp_path), kind="segmentation")
    made = index_folder(str(tmp_path), kind="segmentation", class_names=CLASSES)
    np.testing.assert_array_equal(
        made[f"{tmp_path}/train"].places, shards(root).shards("train").places
    )
    assert not list(check_folder(str(tmp_path)))
    data = shards(tmp_path)
    data.setup("fit")
    assert_equal(
        SeededSamples(data.val_dataset, seed=0)[0]["mask"], torch.from_numpy(class_map(100))
    )
    with pytest.raises(DataError, match=r"has no mask: expected .*\.mask\.png"):
        index_folder(str(write_unmasked(tmp_path / "other")), kind="segmentation")


def write_unmasked(root: Path) -> Path:
    from helpers.shards import picture, write_tar

    write_tar(root / "a.tar", [("0.png", picture(0)), ("0.cls", b"0")])
    return root


def test_wrong_details_of_an_index_are_named(root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for path in (root / split).iterdir():
            (tmp_path / split / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "train/index.json"
    table = json.loads(path.read_text())
    for change, expected in (
        ({"kind": "depth"}, "its kind is 'depth'"),
        ({"kind": "classification"}, "expected"),
        ({"palette": [[0, 0, 0]]}, "palette"),
        ({"palette": [[0, 0, 256]] * 3}, "palette"),
        ({"prediction_values": [1, 2]}, "prediction_values"),
        ({"annotations": ["0" * 64, 3]}, "no annotations.json"),
    ):
        path.write_text(json.dumps({**table, **change}))
        with pytest.raises(DataError, match=expected):
            shards(tmp_path).setup("fit")
