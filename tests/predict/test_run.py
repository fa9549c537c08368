"""A stream of predictions: constant memory, order, images that cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures

from vision.data.images.read import read_image
from vision.errors import ConfigError, ImageError
from vision.predict import images
from vision.predict.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("classification")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_is_read_two_batches_ahead(workers: int, model: Model) -> None:
    read = 0

    def stream() -> Iterator[np.ndarray]:
        nonlocal read
        for i in range(200):
            read += 1
            yield np.full((8, 8, 3), i, np.uint8)

    maximum = 0
    results = model.predict(stream(), batch_size=4, num_workers=workers)
    assert read == 0
    for number, result in enumerate(results):
        maximum = max(maximum, read - number)
        assert result.index == number
        assert int(result.image[0, 0, 0]) == number
    assert read == 200
    assert maximum <= 2 * 4 + 1


def test_a_folder_is_not_decoded_up_front(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path, tuple(f"{i:02}.png" for i in range(20)))
    decoded: list[str] = []

    def counted(path: str) -> torch.Tensor:
        decoded.append(path)
        return read_image(path)

    monkeypatch.setattr(images, "read_image", counted)
    results = model.predict(tmp_path, batch_size=2)
    assert decoded == []
    next(results)
    assert 2 <= len(decoded) <= 5
    results.close()
    assert list(results) == []


def test_bad_images_stop_or_are_left_out(
    tmp_path: Path, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    paths = write_pictures(tmp_path, tuple(f"{i}.png" for i in range(5)))
    Path(paths[1]).write_bytes(b"no image")
    Path(paths[3]).write_bytes(Path(paths[3]).read_bytes()[:100])
    with refuses(ImageError, "1.png", "skip_bad_images"):
        list(model.predict(tmp_path))
    results = model.predict(tmp_path, batch_size=2, skip_bad_images=True)
    assert [(one.index, one.path) for one in results] == [(i, paths[i]) for i in (0, 2, 4)]
    assert [(one.index, one.path) for one in results.bad_images] == [(1, paths[1]), (3, paths[3])]
    assert caplog.text.count("skipped: ") == 2
    with refuses(ImageError, "2 images", "skip_bad_images=1"):
        list(model.predict(tmp_path, skip_bad_images=1))
    bad = model.predict([np.zeros((2, 2), np.int32), paths[0]], skip_bad_images=2)
    assert [one.index for one in bad] == [1]
    assert bad.bad_images[0].message.startswith("image 0: an array of int32")


@pytest.mark.parametrize(
    ("options", "message"), [({"num_workers": -1}, "num_workers"), ({"skip_bad_images": -2}, "-2")]
)
def test_wrong_options_are_refused_at_once(
    options: dict[str, int], message: str, model: Model
) -> None:
    with pytest.raises(ConfigError, match=message):
        model.predict("a.jpg", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["detection", "segmentation"])
def test_sizes_may_be_mixed_in_a_batch(kind: str) -> None:
    model = tiny_model(kind)
    shapes = [(20, 30), (1, 40), (64, 7), (20, 30)]
    arrays = [np.full((*shape, 3), 90, np.uint8) for shape in shapes]
    results = list(model.predict(arrays, batch_size=4, threshold=0.0, num_workers=1))
    assert [result.size for result in results] == shapes
