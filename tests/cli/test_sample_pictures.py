"""Pictures to try a model on, at the end of a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vision.cli.sample_pictures import COUNT, sample_pictures
from vision.data import Digits


def test_images_of_arrays_are_written_as_the_model_sees_them(tmp_path: Path) -> None:
    data = Digits(image_size=16)
    data.setup("fit")
    folder = sample_pictures(data, tmp_path)
    assert folder == tmp_path / "samples"
    files = sorted(folder.iterdir())
    assert len(files) == COUNT
    dataset: Any = data.val_dataset
    for file in files:
        with Image.open(file) as picture:
            pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        assert torch.equal(pixels, dataset[int(file.stem)]["image"])


def test_a_dataset_of_files_has_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "val" / "cat").mkdir(parents=True)
    dataset = SimpleNamespace(paths=[str(tmp_path / "val" / "cat" / "1.jpg")])
    run = tmp_path / "run"
    assert sample_pictures(SimpleNamespace(val_dataset=dataset), run) == tmp_path / "val" / "cat"
    in_shard = SimpleNamespace(index=SimpleNamespace(paths=["shard-0.tar/1.jpg"]))
    assert sample_pictures(SimpleNamespace(val_dataset=in_shard), run) is None
    assert not run.exists()


@pytest.mark.parametrize(
    "dataset",
    [None, [], [{"volume": torch.zeros(1, 2, 2, 2)}], [{"image": torch.zeros(3, 4, 4)}], [5]],
    ids=["none", "empty", "volumes", "floats", "numbers"],
)
def test_without_pictures_there_is_no_folder(tmp_path: Path, dataset: Any) -> None:
    assert sample_pictures(SimpleNamespace(val_dataset=dataset), tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_failure_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = Digits(image_size=16)
    data.setup("fit")
    (tmp_path / "samples").write_text("a file")
    assert sample_pictures(data, tmp_path) is None
    assert "left out" in caplog.text
