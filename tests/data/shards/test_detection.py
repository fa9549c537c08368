import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
import webdataset
from helpers.shards import Server, assert_equal, fit, quiet_trainer, serve
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_detection import tiny_detector
from helpers.tiny_lvis import CHECKED, write_tiny_lvis

from vision.contracts.detection import DetectionTarget
from vision.data import COCO, LVIS, DetectionShards
from vision.data.loading.sampling import SeededSamples
from vision.data.shards import remote as shard_remote
from vision.data.shards.folders import check_folder, index_folder
from vision.data.shards.writer import make_shards
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, DataError, ImageError
from vision.metrics.coco.evaluation import evaluate_coco

SMALL: dict[str, Any] = {
    "augment": DetectionAugment(short_sides=(48, 64), long_side=96),
    "short_side": 64,
    "long_side": 96,
    "num_workers": 0,
}
SHARD_BYTES = 40_960


def coco(root: Path, **options: Any) -> COCO:
    return COCO(root=root, **{**SMALL, "cache_dir": "", **options})


def shards(root: Path | str, **options: Any) -> DetectionShards:
    return DetectionShards(root=root, **{**SMALL, "annotations_cache": "", "window": 2, **options})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root, images=14)
    return root


@pytest.fixture(scope="module")
def root(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("detection") / "shards"
    make_shards(coco(source), out, shard_bytes=SHARD_BYTES)
    assert len([*(out / "train").glob("*.tar")]) > 4
    return out


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(shard_remote, "WAITS", (0.01, 0.01))
    with serve(root) as server:
        yield server


def test_images_are_mixed_with_those_of_their_shard(root: Path) -> None:
    """Others of a remote set would have to be copied first."""
    data = shards(root, augment=replace(SMALL["augment"], mosaic=0.5, mosaic_size=48, mixup=0.5))
    data.setup("fit")
    index = data.train_dataset.index
    found = [index.partners(image) for image in range(len(index))]
    shard = index.reader.index.shards_of(index.members)
    for image, partners in enumerate(found):
        assert image in partners
        assert {*shard[partners].tolist()} == {shard[image]}
    assert sum(len(own) for own in {tuple(own) for own in found}) == len(index)
    read: list[int] = []
    index.reader.read = lambda member, plain=index.reader.read: read.append(member) or plain(member)
    for image in range(len(index)):
        read.clear()
        assert data.train_dataset[image]["image_id"] == index.image_ids[image]
        assert {*index.reader.index.shards_of(np.array(read)).tolist()} == {shard[image]}


@pytest.mark.parametrize("options", [{}, {"masks": False}, {"keep_empty": True}])
def test_every_sample_is_that_of_the_files(
    source: Path, root: Path, options: dict[str, Any]
) -> None:
    expected, actual = coco(source, **options), shards(root, **options)
    for data in (expected, actual):
        data.setup("fit")
    assert actual.class_names == expected.class_names
    assert actual.category_ids.tolist() == expected.category_ids.tolist() == [3, 7, 90]
    assert actual.train_size == expected.train_size == (14 if "keep_empty" in options else 13)
    for image in range(expected.train_size):
        # Augmented by the same draws: the index of an image is the same.
        drawn = [SeededSamples(data.train_dataset, seed=3)[5, image] for data in (expected, actual)]
        assert_equal(*drawn)
    for batch, other in zip(expected.val_dataloader(), actual.val_dataloader(), strict=True):
        assert_equal(batch, other)


def test_the_annotations_are_those_of_the_dataset(source: Path, root: Path) -> None:
    for split in ("train", "val"):
        file = source / f"annotations/instances_{split}2017.json"
        assert (root / split / "annotations.json").read_bytes() == file.read_bytes()
    assert shards(root).ground_truth("val") == root / "val/annotations.json"


def test_other_readers_find_image_and_annotations(source: Path, root: Path) -> None:
    contents = json.loads((source / "annotations/instances_train2017.json").read_text())
    paths = sorted(str(path) for path in (root / "train").glob("*.tar"))
    samples = [*webdataset.WebDataset(paths, shardshuffle=False)]
    assert len(samples) == 14
    found = {}
    for sample in samples:
        entry = json.loads(sample["json"])
        image = entry["image"]
        assert image in contents["images"]
        assert sample["jpg"] == (source / "train2017" / image["file_name"]).read_bytes()
        found[image["id"]] = entry["annotations"]
    for number, annotations in found.items():
        assert annotations == [a for a in contents["annotations"] if a["image_id"] == number]
    # Training is mixed; evaluation keeps the order of the dataset.
    assert [*found] != sorted(found)
    data = shards(root)
    assert (np.diff(data.shards("val").places["image_id"]) > 0).all()


def test_predictions_are_named_by_the_file(root: Path, source: Path) -> None:
    data = shards(root)
    data.setup("predict")
    sample = data.predict_dataset[0]
    assert sample["path"] == f"{root}/val/{int(sample['image_id']):012d}.jpg"
    assert "target" not in sample


def near(target: DetectionTarget, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Boxes near a target's boxes, and some with another class."""
    boxes = target["boxes"] + torch.rand(target["boxes"].shape, generator=generator) * 6 - 3
    labels = (target["labels"] + (torch.rand(len(boxes), generator=generator) > 0.8)) % 3
    return {"boxes": boxes, "labels": labels, "scores": torch.rand(len(boxes), generator=generator)}


def test_the_published_evaluation_is_the_same_to_the_bit(source: Path, root: Path) -> None:
    scores = []
    for data in (coco(source), shards(root)):
        data.setup("validate")
        generator = torch.Generator().manual_seed(0)
        results = []
        for image in range(len(data.val_dataset)):
            _, target = data.val_dataset.example(image)
            found = near(target, generator)
            corners = found["boxes"].double()
            for box, label, score in zip(
                torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist(),
                found["labels"].tolist(),
                found["scores"].tolist(),
                strict=True,
            ):
                category = int(data.category_ids[label])
                results.append({"image_id": int(target["image_id"]), "category_id": category})
                results[-1] |= {"bbox": box, "score": score}
        scores.append(evaluate_coco(data.ground_truth("val"), results).scalars())
    assert scores[0] == scores[1]
    assert 0 < scores[0]["box_AP"] < 1


def test_a_resumed_fit_ends_with_the_same_weights_and_scores(
    source: Path, root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "stopped.ckpt"

    def run(**options: Any) -> Any:
        return fit(shards(root), path, model=tiny_detector(detector="retinanet"), **options)

    whole = run()
    run(kill=3)
    rest = run(resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name
    (of_files,) = quiet_trainer().validate(whole, coco(source), verbose=False)
    (of_shards,) = quiet_trainer().validate(rest, shards(root), verbose=False)
    assert of_files == of_shards
    assert "val/box_AP" in of_files


@pytest.mark.parametrize("kill", [3, 9])
def test_a_fit_goes_on_where_it_stopped(root: Path, tmp_path: Path, kill: int) -> None:
    path = tmp_path / "stopped.ckpt"
    whole = fit(shards(root), path)
    begun = fit(shards(root), path, kill=kill)
    rest = fit(shards(root, num_workers=1), path, resume=True)
    assert begun.seen + rest.seen == whole.seen
    fit(shards(root), path, kill=kill)
    with pytest.raises(ConfigError, match="depends on group_by_aspect: True then, False now"):
        fit(shards(root, group_by_aspect=False), path, resume=True)


def test_training_reads_each_image_once_in_batches_of_one_orientation(root: Path) -> None:
    data = shards(root)
    data.setup("fit")
    index = data.train_dataset.index
    portrait = index.sizes[:, 0] > index.sizes[:, 1]
    assert 0 < portrait.sum() < len(portrait)
    batches = [batch["index"].tolist() for batch in data.train_dataloader()]
    seen = [number for batch in batches for number in batch]
    assert len(seen) == len({*seen}) == 12  # of 13: the incomplete last batch is left out
    mixed = [batch for batch in batches if len({bool(portrait[i]) for i in batch}) > 1]
    assert len(mixed) <= 1
    assert mixed in ([], batches[-1:])


@pytest.mark.parametrize("workers", [0, 2])
def test_remote_shards_give_the_same(
    root: Path, server: Server, tmp_path: Path, workers: int
) -> None:
    local = shards(root)
    remote = shards(server.url, cache_dir=tmp_path / "cache", num_workers=workers)
    server.faults["train/train-000001.tar"] = [503, "cut"]
    for data in (local, remote):
        data.setup("fit")
    for loader in ("train_dataloader", "val_dataloader"):
        batches = zip(getattr(local, loader)(), getattr(remote, loader)(), strict=True)
        for batch, other in batches:
            assert_equal(batch, other)
    assert remote.ground_truth("val") == json.loads((root / "val/annotations.json").read_text())
    assert server.requests["val/annotations.json"] == 1


def test_a_broken_image_can_be_gone_past(source: Path, tmp_path: Path) -> None:
    write_tiny_coco(tmp_path / "coco", images=4)
    broken = sorted((tmp_path / "coco/val2017").iterdir())[2]
    broken.write_bytes(broken.read_bytes()[:300])
    make_shards(coco(tmp_path / "coco"), tmp_path / "out")
    data = shards(tmp_path / "out")
    data.setup("validate")
    with pytest.raises(ImageError, match=rf"val-000000\.tar/00000002-{broken.stem}\.jpg"):
        list(data.val_dataloader())
    data = shards(tmp_path / "out", skip_bad_images=1)
    data.setup("validate")
    batches = [data.on_before_batch_transfer(batch, 0) for batch in data.val_dataloader()]
    assert sum(len(batch["target"]) for batch in batches) == 3
    (problem,) = check_folder(str(tmp_path / "out"))
    assert broken.stem in problem


def test_shards_of_lvis_are_evaluated_by_its_rules(tmp_path: Path) -> None:
    source = LVIS(**write_tiny_lvis(tmp_path / "lvis"), **SMALL)
    make_shards(source, tmp_path / "out", shard_bytes=SHARD_BYTES)
    data = shards(tmp_path / "out")
    assert data.evaluation == "coco"
    data.setup("validate")
    assert data.evaluation == "lvis"
    contents = json.loads(Path(data.ground_truth("val")).read_text())
    assert contents["images"][0]["neg_category_ids"] == CHECKED[0][0]
    assert {one["frequency"] for one in contents["categories"]} == {*"rcf"}


def test_shards_cannot_repeat_images(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"repeat_threshold=0\.001 is not possible with shards"):
        shards(root, repeat_threshold=0.001)


def test_annotations_of_other_images_are_refused(root: Path, tmp_path: Path) -> None:
    fsspec.filesystem("file").put(f"{root}/", f"{tmp_path}/copy/", recursive=True)
    path = tmp_path / "copy/val/annotations.json"
    contents = json.loads(path.read_text())
    del contents["images"][3]
    number = contents["images"][3]["id"]
    contents["annotations"] = [a for a in contents["annotations"] if a["image_id"] == number]
    path.write_text(json.dumps(contents))
    with pytest.raises(DataError, match=r"14 images of the shards.*: 13 images"):
        shards(tmp_path / "copy").setup("validate")


def test_the_index_can_be_made_again(root: Path, tmp_path: Path) -> None:
    fsspec.filesystem("file").put(f"{root}/", f"{tmp_path}/copy/", recursive=True)
    before = (root / "train/index.npy").read_bytes()
    (tmp_path / "copy/train/index.npy").unlink()
    made = index_folder(str(tmp_path / "copy"))
    assert (tmp_path / "copy/train/index.npy").read_bytes() == before
    assert {index.about.kind for index in made.values()} == {"detection"}
    (tmp_path / "copy/train/annotations.json").unlink()
    with pytest.raises(DataError, match=r"there is no '.*train/annotations\.json'"):
        index_folder(str(tmp_path / "copy"))


def test_shards_of_another_task_are_refused(root: Path) -> None:
    from vision.data import SegmentationShards

    with pytest.raises(DataError, match="detection, not for segmentation: set data to Detec"):
        SegmentationShards(root=root).setup("fit")
