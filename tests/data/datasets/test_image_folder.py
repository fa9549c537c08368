import logging
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image

from vision.data import ImageFolder
from vision.data.files.class_folders import LabelledFiles
from vision.data.files.finding import PathList
from vision.data.files.folds import split_classes
from vision.data.transforms.options import Augment
from vision.errors import ConfigError, DataError

# The widest error that a terminal shows in eight lines.
LONGEST = 8 * 100


def add(root: Path, name: str, count: int = 1, *, grey: int = 0) -> None:
    """Write `count` images of one grey level into the folder `root/name`."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (12, 10), (grey, grey, grey)).save(folder / f"{i:02d}.png")


def make(root: Path, **options: object) -> ImageFolder:
    return ImageFolder(**{"root": root, "image_size": 8, "num_workers": 0, **options})


@pytest.fixture
def split(tmp_path: Path) -> Path:
    for folder, count in (("train", 3), ("val", 2)):
        add(tmp_path, f"{folder}/cat", count, grey=50)
        add(tmp_path, f"{folder}/ant", count, grey=200)
    return tmp_path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    add(tmp_path, "cat", 10, grey=50)
    add(tmp_path, "ant", 20, grey=200)
    return tmp_path


def message_of(data: ImageFolder, stage: str = "fit") -> str:
    with pytest.raises(DataError) as caught:
        data.setup(stage)
    message = str(caught.value)
    assert len(message) < LONGEST
    return message


def test_split_folders(split: Path) -> None:
    data = make(split)
    assert data.class_names == ("ant", "cat")
    data.setup("fit")
    assert (data.num_classes, data.train_size, len(data.val_dataset)) == (2, 6, 4)
    for sample in (data.train_dataset[0], data.val_dataset[0]):
        assert sample["image"].shape == (3, 8, 8)
        assert sample["image"].dtype == torch.uint8
        assert sample["label"].dtype == torch.int64
    batch = next(iter(data.val_dataloader()))
    assert batch["label"].tolist() == [0, 0, 1, 1]
    assert batch["image"][:, 0, 4, 4].tolist() == [200, 200, 50, 50]  # labels go with the images


def test_the_test_set_is_the_validation_set_unless_there_is_one(split: Path) -> None:
    data = make(split)
    data.setup("test")
    assert len(data.test_dataset) == 4
    add(split, "test/cat", 1)
    add(split, "test/ant", 4)
    data = make(split)
    data.setup("test")
    assert len(data.test_dataset) == 5
    data.setup("predict")
    assert len(data.predict_dataset) == 5


def files_of(data: ImageFolder) -> tuple[list[str], list[str]]:
    data.setup("fit")
    return list(data.train_dataset.paths), list(data.val_dataset.paths)


def test_one_folder_is_split_class_by_class(flat: Path) -> None:
    data = make(flat, val_fraction=0.2)
    train, val = files_of(data)
    assert sorted(train + val) == sorted(map(str, flat.rglob("*.png")))
    assert torch.from_numpy(data.val_dataset.labels).bincount().tolist() == [4, 2]
    assert torch.from_numpy(data.train_dataset.labels).bincount().tolist() == [16, 8]
    names = [Path(path).parent.name for path in train]
    assert names == [data.class_names[label] for label in data.train_dataset.labels]
    data.setup("test")
    assert list(data.test_dataset.paths) == val


def test_a_split_depends_on_the_seed_alone(flat: Path) -> None:
    assert files_of(make(flat, seed=1)) == files_of(make(flat, seed=1, batch_size=3))
    assert files_of(make(flat, seed=1)) != files_of(make(flat, seed=2))


def test_a_new_class_leaves_the_split_of_the_others(flat: Path) -> None:
    _, before = files_of(make(flat))
    add(flat, "bee", 10)
    _, after = files_of(make(flat))
    assert [path for path in after if "bee" not in path] == before


@pytest.mark.parametrize(
    ("count", "fraction", "held_out"), [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (10, 0.25, 2)]
)
def test_a_split_takes_one_but_not_all(count: int, fraction: float, held_out: int) -> None:
    labels = torch.tensor([0] * count + [1] * 4).numpy()
    files = LabelledFiles(PathList(map(str, range(len(labels)))), labels)
    train, val = split_classes(files, ["a", "b"], fraction=fraction, seed=0)
    assert (val.labels == 0).sum() == held_out
    assert (train.labels == 0).sum() == count - held_out


def test_classes_of_a_single_image_cannot_be_split(tmp_path: Path) -> None:
    add(tmp_path, "cat")
    add(tmp_path, "ant")
    assert "each of the 2 classes has a single image" in message_of(make(tmp_path))


def test_training_images_vary_and_evaluation_images_do_not(tmp_path: Path) -> None:
    ramp = torch.arange(40, dtype=torch.uint8).mul(6).expand(3, 40, 40)
    for name in ("train/a", "val/a"):
        add(tmp_path, name)
        Image.fromarray(ramp.permute(1, 2, 0).numpy()).save(tmp_path / name / "00.png")
    data = make(tmp_path)
    data.setup("fit")
    torch.manual_seed(0)
    assert not torch.equal(data.train_dataset[0]["image"], data.train_dataset[0]["image"])
    assert torch.equal(data.val_dataset[0]["image"], data.val_dataset[0]["image"])


def test_workers_do_not_change_the_data(flat: Path) -> None:
    batches = []
    for workers in (0, 2):
        data = make(flat, num_workers=workers, batch_size=8)
        data.setup("fit")
        batches.append(torch.cat([batch["image"] for batch in data.train_dataloader()]))
    assert torch.equal(*batches)


def test_predicting_reads_any_folder(flat: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    add(inbox, "deep/er", 2)
    add(inbox, ".", 1)
    data = make(flat, predict_root=inbox)
    data.setup("predict")
    batch = next(iter(data.predict_dataloader()))
    names = ["00.png", "deep/er/00.png", "deep/er/01.png"]
    assert batch["path"] == [str(inbox / name) for name in names]
    assert "label" not in batch


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    for name in ("train", "bus", "car"):
        add(tmp_path, name, 3)
    assert make(tmp_path).class_names == ("bus", "car", "train")


def test_a_dataset_pickles_without_its_files(split: Path) -> None:
    data = make(split)
    data.setup("fit")
    copy = pickle.loads(pickle.dumps(data.val_dataset))
    assert torch.equal(copy[3]["image"], data.val_dataset[3]["image"])


def test_an_absent_root_is_traced(tmp_path: Path) -> None:
    add(tmp_path, "flowers/train/rose")
    message = message_of(make(tmp_path / "flower"))
    assert str(tmp_path / "flower") in message
    assert "Did you mean 'flowers'?" in message
    assert "ROOT/train/CLASS/*" in message


def test_train_without_val(split: Path) -> None:
    (split / "val").rename(split / "vale")
    message = message_of(make(split))
    assert f"'{split}' has 'train' but no 'val'" in message
    assert "Did you mean 'vale'?" in message


def test_val_without_train(split: Path) -> None:
    (split / "train").rename(split / "training")
    message = message_of(make(split))
    assert "no 'train'" in message
    assert "Did you mean 'training'?" in message


def test_images_without_class_folders(tmp_path: Path) -> None:
    add(tmp_path, ".", 3)
    message = message_of(make(tmp_path))
    assert "no class folders" in message
    assert "3 images lie in it directly" in message
    loose = tmp_path / "loose"
    add(loose, "train", 2)
    add(loose, "val", 2)
    message = message_of(make(loose))
    assert f"no class folders in '{loose / 'train'}': 2 images" in message


def test_an_empty_root(tmp_path: Path) -> None:
    assert f"no class folders in '{tmp_path}'. Expected" in message_of(make(tmp_path))


def test_empty_class_folders_are_named(split: Path) -> None:
    (split / "train" / "dog").mkdir()
    (split / "train" / "eel").mkdir()
    (split / "train" / "eel" / "clip.mp4").touch()
    message = message_of(make(split))
    assert "without images: 'dog', 'eel'" in message
    assert "1 .mp4" in message


def test_no_images_at_all(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split / "cat").mkdir(parents=True)
        (tmp_path / split / "cat" / "a.npy").touch()
    message = message_of(make(tmp_path))
    assert "no images in the 1 class folders" in message
    assert "1 other files: 1 .npy" in message
    assert ".jpeg" in message


def test_a_class_that_training_lacks(split: Path) -> None:
    add(split, "val/cats")
    message = message_of(make(split))
    assert f"'{split / 'val'}' has the class 'cats', which the training set lacks" in message
    assert "Did you mean 'cat'" in message


def test_a_class_that_validation_lacks_is_logged(
    split: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(split, "train/dog")
    data = make(split)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert "no images of the classes 'dog'" in caplog.text
    assert data.val_dataset.labels.tolist() == [0, 0, 1, 1]


def test_files_that_are_no_images_are_counted_in_the_log(
    split: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.txt", "b.txt", "c.json"):
        (split / "train" / "cat" / name).touch()
    with caplog.at_level(logging.WARNING):
        make(split).setup("fit")
    assert [record.getMessage() for record in caplog.records] == [
        f"ignored 3 files in {split / 'train'} that are not images by their suffix: 2 .txt, 1 .json"
    ]


def test_nothing_to_predict(flat: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    message = message_of(make(flat, predict_root=inbox), "predict")
    assert f"no folder '{inbox}'" in message
    inbox.mkdir()
    (inbox / "clip.mp4").touch()
    message = message_of(make(flat, predict_root=inbox), "predict")
    assert f"no images in '{inbox}', but 1 other files: 1 .mp4" in message


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xff\xd8\xff\xe0\0\x10JFIF"])
def test_a_broken_image_is_named(split: Path, content: bytes) -> None:
    broken = split / "val" / "cat" / "broken.jpg"
    broken.write_bytes(content)
    data = make(split)
    data.setup("fit")
    with pytest.raises(DataError) as caught:
        list(data.val_dataloader())
    assert str(broken) in str(caught.value)
    assert len(str(caught.value)) < LONGEST


def test_a_split_share_out_of_range_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"val_fraction=1\.0"):
        make(tmp_path, val_fraction=1.0)


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_other_names_of_the_validation_set(split: Path, name: str) -> None:
    expected = [path.replace("/val/", f"/{name}/") for path in files_of(make(split))[1]]
    (split / "val").rename(split / name)
    assert files_of(make(split))[1] == expected
    assert list(make(split).layout_problems()) == []


def test_two_folders_for_one_split(split: Path) -> None:
    (split / "valid").mkdir()
    assert "'val' and 'valid'" in message_of(make(split))


def test_a_list_takes_the_place_of_folders(flat: Path) -> None:
    rows = [f"cat/{i:02d}.png,tabby,{'val' if i < 4 else 'train'}" for i in range(10)]
    rows += [f"ant/{i:02d}.png,worker,train" for i in range(3)]
    (flat / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    data = make(flat, file_list=flat / "list.csv")
    assert data.class_names == ("tabby", "worker")
    train, val = files_of(data)
    assert val == [str(flat / f"cat/{i:02d}.png") for i in range(4)]
    assert data.train_dataset.labels.tolist() == [0] * 6 + [1] * 3
    data.setup("test")
    assert list(data.test_dataset.paths) == val
    assert data.summary()["train"]["classes"] == {"tabby": 6, "worker": 3}
    assert list(data.layout_problems()) == []
    (flat / "cat/00.png").write_bytes(b"no image")
    problems = list(make(flat, file_list=data.list_path).problems())
    assert sum("cat/00.png" in problem for problem in problems) == 1, problems
    # Without the column, a share of each class is held out.
    (flat / "list.csv").write_text(
        "\n".join(["path,label", *(row[: row.rfind(",")] for row in rows)])
    )
    train, val = files_of(make(flat, file_list=flat / "list.csv"))
    assert (len(train), len(val)) == (10, 3)


def test_a_list_without_training_images(flat: Path) -> None:
    (flat / "list.csv").write_text("path,label,split\ncat/00.png,cat,val\nant/00.png,ant,val\n")
    assert "no images for training" in message_of(make(flat, file_list=flat / "list.csv"))


def test_folds_divide_training_and_validation_images(split: Path) -> None:
    add(split, "test/cat", 1)
    everything = sorted(str(path) for s in ("train", "val") for path in (split / s).rglob("*.png"))
    held = []
    for fold in range(5):
        data = make(split, folds=5, fold=fold)
        train, val = files_of(data)
        assert sorted(train + val) == everything
        assert data.val_dataset.labels.tolist().count(0) == 1
        data.setup("test")
        assert list(data.test_dataset.paths) == [str(split / "test/cat/00.png")]
        held += val
    assert sorted(held) == everything


def test_a_balanced_epoch(flat: Path) -> None:
    data = make(flat, balanced=True, batch_size=8, val_fraction=0.1)
    data.setup("fit")
    labels = torch.cat([batch["label"] for batch in data.train_dataloader()])
    counts = labels.bincount()
    assert abs(int(counts[0] - counts[1])) <= 4  # the incomplete last batch is left out
    assert data.train_size == 27


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fold": 1}, "fold=1"),
        ({"folds": 1}, "folds=1"),
        ({"folds": 3, "fold": 3}, "fold=3"),
        ({"balanced": True, "augment": Augment(repeats=3)}, "augment.repeats=3"),
    ],
    ids=str,
)
def test_options_of_splits_that_do_not_fit(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(tmp_path, **options)
