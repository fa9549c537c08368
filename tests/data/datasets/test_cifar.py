import gzip
import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from helpers.tiny_imagenet import tar, write_files
from PIL import Image
from torch.nn import functional as F

from vision.data import CIFAR10, CIFAR100
from vision.errors import ConfigError, DataError

ROWS = 4  # images in each file; 10,000 in the real ones
KINDS = (CIFAR10, CIFAR100)


def python2_string(text: bytes) -> bytes:
    if len(text) < 256:
        return b"U" + bytes([len(text)]) + text
    return b"T" + len(text).to_bytes(4, "little") + text


def python2_pickle(value: object) -> bytes:
    """What Python 2 writes at protocol 2, as the official files have it; without the memo."""
    match value:
        case dict():
            items = b"".join(python2_pickle(x) for pair in value.items() for x in pair)
            return b"}(" + items + b"u"
        case list():
            return b"](" + b"".join(map(python2_pickle, value)) + b"e"
        case int():
            return b"K" + bytes([value])
        case bytes():
            return python2_string(value)
        case np.ndarray():
            rows, columns = value.shape
            made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
            dtype = b"cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ" + b"\xff" * 4
            dtype += b"J" + b"\xff" * 4 + b"K\0tb"
            shape = b"K" + bytes([rows]) + b"M" + columns.to_bytes(2, "little") + b"\x86"
            return (
                made + b"(K\x01" + shape + dtype + b"\x89" + python2_string(value.tobytes()) + b"tb"
            )
    raise TypeError(type(value))


def dump(value: object) -> bytes:
    return b"\x80\x02" + python2_pickle(value) + b"."


def batch(seed: int, **labels: int) -> dict[bytes, object]:
    """The content of a file of images; for each key of labels the number of classes."""
    generator = np.random.default_rng(seed)
    files = [f"image_{seed}_{i}.png".encode() for i in range(ROWS)]
    return {
        b"batch_label": b"a batch",
        **{
            key.encode(): generator.integers(0, count, ROWS).tolist()
            for key, count in labels.items()
        },
        b"data": generator.integers(0, 256, (ROWS, 3072), dtype=np.uint8),
        b"filenames": files,
    }


def cifar10_files() -> dict[str, bytes]:
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {name: dump(batch(seed, labels=10)) for seed, name in enumerate(names)}
    classes = b"airplane automobile bird cat deer dog frog horse ship truck".split()
    meta = {b"num_cases_per_batch": ROWS, b"label_names": classes, b"num_vis": 255}
    return {"batches.meta": dump(meta), **files, "readme.html": b"<html>"}


def cifar100_files() -> dict[str, bytes]:
    names = ["train", "test"]
    labels = {"coarse_labels": 20, "fine_labels": 100}
    files = {name: dump(batch(seed, **labels)) for seed, name in enumerate(names)}
    fine = [f"fine_{i:02d}".encode() for i in range(100)]
    coarse = [f"coarse_{i:02d}".encode() for i in range(20)]
    return {"meta": dump({b"fine_label_names": fine, b"coarse_label_names": coarse}), **files}


FILES = {CIFAR10: cifar10_files(), CIFAR100: cifar100_files()}
FOLDERS = {CIFAR10: "cifar-10-batches-py", CIFAR100: "cifar-100-python"}
ARCHIVES = {CIFAR10: "cifar-10-python.tar.gz", CIFAR100: "cifar-100-python.tar.gz"}


def write(kind: type, root: Path, *, archive: bool = False) -> Path:
    if not archive:
        write_files(root / FOLDERS[kind], FILES[kind])
        return root / FOLDERS[kind]
    files = {f"{FOLDERS[kind]}/{name}": content for name, content in FILES[kind].items()}
    packed = tar(files, folders=(FOLDERS[kind],))
    write_files(root, {ARCHIVES[kind]: gzip.compress(packed)})
    return root / ARCHIVES[kind]


def make(kind: type, root: Path, **options: object) -> CIFAR10:
    return kind(**{"root": root, "num_workers": 0, "batch_size": 4, **options})


def message_of(kind: type, root: Path, stage: str = "fit") -> str:
    with pytest.raises(DataError) as caught:
        make(kind, root).setup(stage)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("archive", [False, True])
def test_images_labels_and_names_are_those_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, archive: bool
) -> None:
    write(kind, tmp_path, archive=archive)
    write(kind, tmp_path / "reference")
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    reader = getattr(torchvision.datasets, kind.__name__)
    data = make(kind, tmp_path, padding=0, hflip=0)
    data.setup("fit")
    for train, dataset in ((True, data.train_dataset), (False, data.val_dataset)):
        reference = reader(tmp_path / "reference", train=train)
        assert len(dataset) == len(reference)
        for i, (image, label) in enumerate(reference):
            sample = dataset[i]
            assert np.array_equal(sample["image"].permute(1, 2, 0), np.asarray(image))
            assert sample["label"] == label
    assert list(data.class_names) == reference.classes
    assert (data.num_classes, data.train_size) == (len(reference.classes), len(data.train_dataset))


def test_samples_of_a_stage(tmp_path: Path) -> None:
    write(CIFAR10, tmp_path)
    data = make(CIFAR10, tmp_path)
    data.setup("predict")
    assert data.train_dataset is None
    assert data.test_dataset is data.val_dataset
    batch = next(iter(data.predict_dataloader()))
    assert batch["path"] == [f"cifar10/test/{i:04d}" for i in range(4)]
    assert "label" not in batch
    batch = next(iter(data.test_dataloader()))
    assert (batch["image"].shape, batch["image"].dtype) == ((4, 3, 32, 32), torch.uint8)
    assert (batch["label"].shape, batch["label"].dtype) == ((4,), torch.int64)


def test_coarse_labels(tmp_path: Path) -> None:
    folder = write(CIFAR100, tmp_path)
    data = make(CIFAR100, tmp_path, coarse=True)
    data.setup("test")
    assert (data.num_classes, data.class_names[3]) == (20, "coarse_03")
    content = pickle.loads((folder / "test").read_bytes(), encoding="bytes")
    assert data.test_dataset.labels.tolist() == content[b"coarse_labels"]
    assert make(CIFAR100, tmp_path).num_classes == 100


def test_training_images_are_padded_cropped_and_mirrored(tmp_path: Path) -> None:
    write(CIFAR10, tmp_path)
    data = make(CIFAR10, tmp_path)
    data.setup("fit")
    original = data.train_dataset.images[2]
    padded = F.pad(original, (4, 4, 4, 4))
    crops = {}
    for y, x in itertools.product(range(9), repeat=2):
        crop = padded[:, y : y + 32, x : x + 32]
        crops[crop.numpy().tobytes()] = (y, x, False)
        crops[crop.flip(2).numpy().tobytes()] = (y, x, True)
    torch.manual_seed(0)
    drawn = [crops[data.train_dataset[2]["image"].numpy().tobytes()] for _ in range(400)]
    for axis in range(2):
        assert set(np.array(drawn)[:, axis]) == set(range(9))
    assert 0.4 < np.mean([mirrored for _, _, mirrored in drawn]) < 0.6


def test_other_sizes_are_resized_like_pillow(tmp_path: Path) -> None:
    write(CIFAR10, tmp_path)
    for size in (16, 50):
        data = make(CIFAR10, tmp_path, image_size=size, padding=0, hflip=0)
        data.setup("fit")
        for dataset in (data.train_dataset, data.val_dataset):
            pixels = dataset.images[1].permute(1, 2, 0).numpy()
            expected = np.array(Image.fromarray(pixels).resize((size, size), Image.BICUBIC))
            image = dataset[1]["image"].permute(1, 2, 0).numpy()
            assert image.dtype == np.uint8
            assert np.abs(image.astype(int) - expected).max() <= 1


def test_workers_do_not_change_the_data(tmp_path: Path) -> None:
    write(CIFAR10, tmp_path)
    batches = []
    for workers in (0, 2):
        data = make(CIFAR10, tmp_path, num_workers=workers)
        data.setup("fit")
        batches.append(torch.cat([batch["image"] for batch in data.train_dataloader()]))
    assert torch.equal(*batches)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_3", "test_batch"])
def test_a_file_that_would_run_code_is_refused(tmp_path: Path, name: str) -> None:
    folder = write(CIFAR10, tmp_path)
    evil = {"data": Evil(tmp_path / "made"), "labels": [0], "label_names": ["a"]}
    (folder / name).write_bytes(pickle.dumps(evil, protocol=2))
    message = message_of(CIFAR10, tmp_path)
    assert f"'{folder / name}' is refused: it asks for '{os.system.__module__}.system'" in message
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_3", "test_batch"])
def test_absent_and_truncated_files_are_named(tmp_path: Path, name: str) -> None:
    folder = write(CIFAR10, tmp_path)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-100])
    message = message_of(CIFAR10, tmp_path)
    assert f"'{folder / name}' cannot be read" in message
    assert "truncated or damaged" in message
    (folder / name).unlink()
    message = message_of(CIFAR10, tmp_path)
    assert f"'{folder}' has no '{name}'" in message
    assert "ROOT/cifar-10-batches-py/{data_batch_1,data_batch_2" in message


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    archive = write(CIFAR100, tmp_path, archive=True)
    content = archive.read_bytes()
    for share in (0.3, 0.6, 0.9):
        archive.write_bytes(content[: int(share * len(content))])
        message = message_of(CIFAR100, tmp_path)
        assert str(archive) in message
        assert "truncated or damaged" in message


def test_an_absent_dataset(tmp_path: Path) -> None:
    message = message_of(CIFAR100, tmp_path)
    assert f"'{tmp_path}' has neither 'cifar-100-python' nor 'cifar-100-python.tar.gz'" in message
    assert "no folder" in message_of(CIFAR100, tmp_path / "gone")


IMAGES = np.zeros((2, 3072), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"labels": [0, 1]}, "has no 'data'; it has labels"),
        ({"data": IMAGES}, "has no 'labels'; it has data"),
        ({"data": IMAGES, "labels": [0]}, "has 2 images but 1 labels"),
        ({"data": IMAGES, "labels": [0, 10]}, "has the label 10, expected 0 to 9"),
        ({"data": IMAGES, "labels": [0, -1]}, "has the label -1"),
        ({"data": IMAGES, "labels": [0, "1"]}, "has the label '1'"),
        ({"data": IMAGES, "labels": 3}, "'labels' of int, expected a list"),
        ({"data": IMAGES[:, 1:], "labels": [0, 1]}, "shape (2, 3071), expected (N, 3072)"),
        ({"data": IMAGES[:0], "labels": []}, "shape (0, 3072)"),
        ({"data": IMAGES.astype(float), "labels": [0, 1]}, "images of float64, expected uint8"),
        ({"data": [1, 2], "labels": [0, 1]}, "images of list, expected uint8"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: dict, part: str) -> None:
    path = write(CIFAR10, tmp_path) / "data_batch_2"
    path.write_bytes(pickle.dumps(content, protocol=4))
    message = message_of(CIFAR10, tmp_path)
    assert f"'{path}'" in message
    assert part in message


def test_class_names_of_another_kind(tmp_path: Path) -> None:
    path = write(CIFAR10, tmp_path) / "batches.meta"
    path.write_bytes(pickle.dumps({"names": ["a"]}, protocol=2))
    assert f"'{path}' has no list 'label_names'; it has names" in message_of(CIFAR10, tmp_path)


@pytest.mark.parametrize("options", [{"padding": -1}, {"hflip": 1.5}, {"image_size": 0}])
def test_options_out_of_range_are_named(tmp_path: Path, options: dict) -> None:
    ((name, value),) = options.items()
    with pytest.raises(ConfigError, match=f"{name}={value} must be"):
        make(CIFAR10, tmp_path, **options)
