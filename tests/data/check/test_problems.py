"""Every dataset type, good and broken: all problems are reported at once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.broken_datasets import CASES
from helpers.shards import picture
from torch.utils.data import Dataset

import vision.data
from vision.cli.names import CLASSES
from vision.data import ClassificationData, DataModule, Digits
from vision.errors import ConfigError, DataError, ImageError


def make(name: str, options: dict[str, Any], **more: object) -> DataModule:
    return getattr(vision.data, name)(**{"num_workers": 0, **options, **more})


def test_every_dataset_of_the_suite_is_checked_here() -> None:
    assert {*CLASSES["data"]} <= {*CASES, "Digits"}


@pytest.mark.parametrize("name", CASES)
def test_a_good_copy_has_no_problems(name: str, tmp_path: Path) -> None:
    data = make(name, CASES[name].write(tmp_path / "data"))
    read: list[tuple[int, int]] = []
    assert list(data.problems(lambda done, total: read.append((done, total)))) == []
    count = CASES[name].images
    assert (read[-1] if read else (0, 0)) == (count, count)
    summary = data.summary()
    assert {"train", "val"} <= {*summary} | {"test" if "CIFAR" in name else "val"}
    for split in summary.values():
        if data.kind in ("segmentation", "depth", "normals", "volumes", "points"):
            assert "classes" not in split  # pixels are not counted
            continue
        assert tuple(split["classes"]) == data.class_names
        assert sum(split["classes"].values()) == split.get("objects", split["images"])


@pytest.mark.parametrize("name", CASES)
def test_all_problems_of_a_broken_copy_are_told(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    options = CASES[name].write(root)
    parts = CASES[name].damage(root)
    problems = list(make(name, options).problems())
    for part in parts:
        assert sum(part in problem for problem in problems) == 1, (part, problems)
    assert len(problems) == len({*problems})
    # Nothing is reported twice in other words, except all images of a damaged shard.
    assert len(problems) <= len(parts) + (1 if name == "ImageShards" else 0), problems


def test_workers_find_the_same(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for i in range(40):
        path = root / "train" / "ant" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i) if i % 7 else b"")
    for folder in ("train/bee", "val/ant"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x.png").write_bytes(picture(100 + len(folder)))
    found = [list(make("ImageFolder", {"root": root}, num_workers=n).problems()) for n in (0, 2)]
    assert found[0] == found[1]
    assert len(found[0]) == 6


def test_the_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Digits()
    assert list(data.problems()) == []
    assert {split: found["images"] for split, found in data.summary().items()} == {
        "train": 1437,
        "val": 360,
    }

    def broken(image_size: int) -> None:
        raise DataError("the digits are gone.")

    monkeypatch.setattr("vision.data.datasets.digits.load_digits", broken)
    assert list(Digits().problems()) == ["the digits are gone."]


def test_what_the_summary_of_detection_counts(tmp_path: Path) -> None:
    data = make("VOC", CASES["VOC"].write(tmp_path))
    assert list(data.problems()) == []
    train = data.summary()["train"]
    assert {key: train[key] for key in train if key != "classes"} == {
        "images": 3,
        "objects": 4,
        "crowd_regions": 1,
        "empty_images": 0,
        "dropped": {},
    }
    assert {name: n for name, n in train["classes"].items() if n} == {
        name: 1 for name in ("chair", "dog", "car", "tvmonitor")
    }
    data = make("YOLO", CASES["YOLO"].write(tmp_path / "yolo"))
    path = tmp_path / "yolo" / "labels" / "train" / "a.txt"
    path.write_text(2 * path.read_text() + "0 0.5 0.5 0 0\n")
    assert list(data.problems()) == []
    train = data.summary()["train"]
    assert (train["images"], train["empty_images"], train["objects"]) == (4, 2, 3)
    assert train["dropped"] == {"duplicate": 2, "degenerate": 1}


class Own(ClassificationData):
    """A dataset of somebody else, without files."""

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("a", "b")

    def setup(self, stage: str) -> None:
        if stage == "test":
            raise ConfigError("there is no test set.")
        if stage == "predict":
            raise DataError("nothing to predict.")
        self.train_dataset = self.train_dataset or OwnSamples()
        self.val_dataset = self.train_dataset


class OwnSamples(Dataset):
    labels = np.array([0, 1, 1])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if index == 1:
            raise ImageError("image 1 is broken.")
        return {"image": torch.zeros(3, 4, 4, dtype=torch.uint8)}

    def __len__(self) -> int:
        return 3


def test_a_dataset_of_ones_own_is_read_by_its_samples() -> None:
    data = Own(num_workers=0)
    assert list(data.problems()) == ["nothing to predict.", "image 1 is broken."]
    assert data.summary() == {"train": {"images": 3, "classes": {"a": 1, "b": 2}}}


def test_one_class_alone_is_a_problem_and_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "class_names", ("a",))
    data = Own(num_workers=0)
    assert "only one class, 'a': there is nothing to tell apart" in "".join(data.problems())
    data.setup("fit")
    data.train_dataloader()
    data.trainer = SimpleNamespace()
    with pytest.raises(DataError, match="only one class"):
        data.train_dataloader()


def test_a_wrong_option_is_an_error_not_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def setup(self: Own, stage: str) -> None:
        raise ConfigError("that is out of range.")

    monkeypatch.setattr(Own, "setup", setup)
    with pytest.raises(ConfigError, match="out of range"):
        list(Own(num_workers=0).problems())
