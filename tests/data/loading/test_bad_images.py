"""Going on past bad images: as many as allowed, each one named."""

import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from vision.cli.main import main
from vision.data import ImageFolder
from vision.data.loading.bad_images import BadImages, SkippingSamples
from vision.errors import ConfigError, ImageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight images per class and split, of which three of `train` and two of `val` are bad."""
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            for i in range(8):
                path = tmp_path / split / label / f"{i}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 36), (30 * i, 99, 0)).save(path)
    (tmp_path / "train/cat/3.jpg").write_bytes(b"")
    (tmp_path / "train/cat/4.jpg").write_text("<html>not found</html>")
    broken = tmp_path / "train/dog/7.jpg"
    broken.write_bytes(broken.read_bytes()[:-200])
    for i in range(2):
        (tmp_path / f"val/dog/{i}.jpg").write_bytes(b"")
    return tmp_path


def make(root: Path, **options: object) -> ImageFolder:
    data = ImageFolder(**{"root": root, "image_size": 32, "num_workers": 0, **options})
    data.setup("fit")
    return data


def read(data: ImageFolder, loader: object) -> list[dict]:
    return [data.on_before_batch_transfer(batch, 0) for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_with_other_images(root: Path, workers: int) -> None:
    data = make(root, skip_bad_images=3, batch_size=4, num_workers=workers)
    batches = read(data, data.train_dataloader())
    assert [len(batch["image"]) for batch in batches] == [4] * 4
    assert all("bad_images" not in batch for batch in batches)
    text = "\n".join(data.bad_images.messages)
    for name in ("train/cat/3.jpg", "train/cat/4.jpg", "train/dog/7.jpg"):
        assert name in text
    assert len(data.bad_images.messages) == 3


def test_evaluation_leaves_them_out(root: Path) -> None:
    data = make(root, skip_bad_images=5, batch_size=4)
    batches = read(data, data.val_dataloader())
    assert [len(batch["image"]) for batch in batches] == [4, 4, 2, 4]
    index = torch.cat([batch["index"] for batch in batches]).tolist()
    assert index == [i for i in range(16) if i not in (8, 9)]
    assert not any("repeated" in batch for batch in batches)


def test_a_batch_of_bad_images_alone_is_not_counted(root: Path) -> None:
    data = make(root, skip_bad_images=5, batch_size=2)
    batches = read(data, data.val_dataloader())
    assert [batch["index"].tolist() for batch in batches if "repeated" in batch] == [[8]]


def test_the_same_image_counts_once(root: Path) -> None:
    data = make(root, skip_bad_images=3, batch_size=4)
    for _ in range(3):
        read(data, data.train_dataloader())
    assert len(data.bad_images.messages) == 3


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_one_more_than_allowed_stops(root: Path, allowed: int) -> None:
    data = make(root, skip_bad_images=allowed, batch_size=4)
    with pytest.raises(ImageError) as caught:
        read(data, data.train_dataloader())
    assert ".jpg" in str(caught.value)
    if allowed:
        assert f"--data.skip_bad_images {allowed}" in str(caught.value)


def test_a_dataset_of_bad_images_alone_ends() -> None:
    class Bad(torch.utils.data.Dataset):
        def __getitem__(self, index: int) -> dict:
            raise ImageError(f"image '{index}' is empty")

        def __len__(self) -> int:
            return 4

    with pytest.raises(ImageError):
        _ = SkippingSamples(Bad(), maximum=100)[2]


def test_a_message_names_a_few() -> None:
    with pytest.raises(ImageError, match=r"(?s)6 images.*'0'.*'2'.*and 3 more"):
        BadImages(5).add([f"image '{i}' is empty" for i in range(6)])


def test_they_are_listed_at_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(root)
    config = ROOT / "configs/classification/image_folder/swin_linear.yaml"
    tiny = "{dim: 8, depths: [1, 1], num_heads: [1, 1], window_size: 4}"
    options = ["--data.root", str(root), "--data.image_size", "32", "--data.num_workers", "0"]
    options += ["--data.batch_size", "4", "--model.backbone", "swin", "--trainer.max_epochs", "1"]
    options += ["--model.backbone_options", tiny, "--trainer.accelerator", "cpu"]
    assert main(["fit", "--config", str(config), *options]) == 2
    with caplog.at_level(logging.WARNING):
        allowed = ["--data.skip_bad_images", "5"]
        assert main(["fit", "--config", str(config), *options, *allowed]) == 0
    (text,) = [r.getMessage() for r in caplog.records if "skipped 5 images" in r.getMessage()]
    assert len(text.splitlines()) == 6


def test_a_limit_below_0_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="skip_bad_images=-1"):
        make(root, skip_bad_images=-1)
