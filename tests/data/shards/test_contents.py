from pathlib import Path

import pytest
from helpers.broken_datasets import CASES
from helpers.refusals import refuses
from helpers.shards import assert_equal

from vision import data as datasets
from vision.data.shards.folders import check_folder
from vision.data.shards.forms import find_form
from vision.data.shards.writer import make_shards
from vision.errors import ConfigError

NO_FILES = {"CIFAR10", "CIFAR100"}
# Sets of classes, segments, depth, normals, boxes in space, volumes and points have no form of
# shards.
NO_FORM = {
    name
    for name in CASES
    if getattr(datasets, name).kind
    in {"multilabel", "panoptic", "depth", "normals", "detection3d", "volumes", "points"}
}


@pytest.mark.parametrize(
    "name",
    [name for name in CASES if not name.endswith("Shards") and name not in NO_FILES | NO_FORM],
)
def test_evaluation_is_that_of_every_dataset(name: str, tmp_path: Path) -> None:
    source = getattr(datasets, name)(**CASES[name].write(tmp_path / "data"), num_workers=0)
    made = make_shards(source, tmp_path / "out", shard_bytes=1)
    reader = getattr(datasets, find_form(source.kind).datamodule)
    shards = reader(root=tmp_path / "out", num_workers=0)
    shards.eval_transform = source.eval_transform  # sizes differ by default
    for data in (source, shards):
        data.setup("validate")
    assert shards.class_names == source.class_names
    assert made["val"].class_names == source.class_names
    assert len(made["val"].shards) == len(source.val_dataset) == len(shards.val_dataset)
    for image in range(len(source.val_dataset)):
        samples = [{**data.val_dataset[image], "path": ""} for data in (source, shards)]
        assert_equal(*samples)
    assert not list(check_folder(str(tmp_path / "out")))


@pytest.mark.parametrize("name", sorted(NO_FORM))
def test_a_kind_without_a_form_has_no_shards(name: str, tmp_path: Path) -> None:
    data = getattr(datasets, name)(**CASES[name].write(tmp_path / "data"), num_workers=0)
    with refuses(ConfigError, "tar shards", f"'{data.kind}'", "classification"):
        make_shards(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(NO_FILES))
def test_datasets_without_files_of_images_are_refused(name: str, tmp_path: Path) -> None:
    source = getattr(datasets, name)(**CASES[name].write(tmp_path / "data"), num_workers=0)
    with pytest.raises(ConfigError, match=f"{name} does not read files"):
        make_shards(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
