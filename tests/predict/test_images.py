"""Images of any source, in order, a bounded number ahead."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.refusals import refuses
from helpers.tiny_predict import as_tensor, write_pictures
from PIL import Image

from vision.data.images.read import convert_image, read_image
from vision.errors import ConfigError, DataError, ImageError
from vision.predict.images import list_images, read_ahead

PIXELS = texture(12, 17)


def read(source: Any) -> list[torch.Tensor]:
    return [unread.read() for unread in list_images(source)]


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, ("b/c.png", "a.jpg", "b/a.PNG", "b/d/e.webp"))
    (tmp_path / "b" / "notes.txt").write_text("no image")
    in_order = sorted(paths)
    assert [one.path for one in list_images(tmp_path)] == in_order
    assert [one.index for one in list_images(str(tmp_path))] == [0, 1, 2, 3]
    below = [one.path for one in list_images(f"{tmp_path}/b/**/*")]
    assert [one.path for one in list_images(f"{tmp_path}/?/**")] == below
    assert below == in_order[1:]
    assert [one.path for one in list_images(tmp_path / "*.jpg")] == [str(tmp_path / "a.jpg")]
    mixed = [tmp_path / "a.jpg", [PIXELS, Image.fromarray(PIXELS)], tmp_path / "b" / "d"]
    assert [one.path for one in list_images(mixed)] == [in_order[0], None, None, in_order[3]]
    assert torch.equal(read(paths[0])[0], read_image(paths[0]))


def test_a_name_with_the_signs_of_a_pattern_is_a_file(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, ("a[1].png",))
    assert [one.path for one in list_images(path)] == [path]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS[:, :, 0], np.stack([PIXELS[:, :, 0]] * 3, axis=2)),
        (PIXELS[:, :, :1], np.stack([PIXELS[:, :, 0]] * 3, axis=2)),
        (PIXELS[:1, :], PIXELS[:1, :]),
        (PIXELS.astype(np.uint16) * 257, PIXELS),
        (PIXELS.astype(np.float32) / 255, PIXELS),
        (PIXELS.astype(np.float16) / 255, PIXELS),
        (PIXELS[::-1, ::-1], PIXELS[::-1, ::-1]),
        (np.dstack([PIXELS, np.full((12, 17), 255, np.uint8)]), PIXELS),
        (np.dstack([PIXELS, np.zeros((12, 17), np.uint8)]), np.full_like(PIXELS, 255)),
    ],
)
def test_arrays(given: np.ndarray, expected: np.ndarray) -> None:
    (found,) = read(given)
    assert found.dtype == torch.uint8
    assert torch.equal(found, as_tensor(expected))


def test_tensors() -> None:
    image = as_tensor(PIXELS)
    assert torch.equal(read(image)[0], image)
    assert torch.equal(read(image.float() - 0.2 * (image > 0))[0], image)
    batch = torch.stack([image, image.flip(2)])
    assert [torch.equal(a, b) for a, b in zip(read(batch), batch, strict=True)] == [True, True]


def test_images_of_pillow(tmp_path: Path) -> None:
    plain = Image.fromarray(PIXELS)
    assert torch.equal(convert_image(plain), as_tensor(PIXELS))
    for mode, name in (("L", "a.png"), ("CMYK", "b.tif"), ("P", "c.png"), ("LA", "d.png")):
        path = tmp_path / name
        plain.convert(mode).save(path)
        with Image.open(path) as opened:
            assert torch.equal(read(opened)[0], read_image(path))
    turned = Image.Exif()
    turned[0x0112] = 6
    plain.save(tmp_path / "e.jpg", exif=turned)
    with Image.open(tmp_path / "e.jpg") as opened:
        assert read(opened)[0].shape == (3, 17, 12)
        assert torch.equal(read(opened)[0], read_image(tmp_path / "e.jpg"))
    with pytest.raises(ImageError, match="has no pixels"):
        convert_image(Image.new("RGB", (0, 4)))


def test_memory_that_is_used_again_is_copied() -> None:
    def frames() -> Iterator[np.ndarray]:
        buffer = np.zeros((2, 2, 3), np.uint8)
        for value in (10, 20, 30):
            buffer[:] = value
            yield buffer

    found = read(frames())
    assert [int(image[0, 0, 0]) for image in found] == [10, 20, 30]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), ("shape", "(2, 3, 4, 5)")),
        (np.zeros((0, 3, 3), np.uint8), ("shape", "(0, 3, 3)")),
        (np.zeros((4, 4, 3), np.int64), ("int64",)),
        (np.full((4, 4), 200.0), ("expected 0..1",)),
        (np.full((4, 4), np.nan), ("expected 0..1",)),
        (torch.zeros(4, 4), ("(3, H, W)",)),
        (torch.zeros(3, 4, 4, dtype=torch.int32), ("int32",)),
        (torch.full((3, 4, 4), -1.0), ("not normalised",)),
        (Path("absent/file.jpg"), ("there is no image",)),
    ],
)
def test_bad_images_raise_when_they_are_read(given: Any, message: tuple[str, ...]) -> None:
    (unread,) = list_images([given])
    with refuses(ImageError, *message):
        unread.read()


def test_what_holds_no_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with refuses(DataError, "images", "1", ".txt"):
        list(list_images(tmp_path))
    with refuses(DataError, "matches", "*.txt"):
        list(list_images(f"{tmp_path}/*.txt"))
    for source, message in ((3, "a int holds no images"), ({"a": 1}, "dict"), (b"x", "bytes")):
        with pytest.raises(ConfigError, match=message):
            list(list_images(source))
    with pytest.raises(ConfigError, match="download it"):
        list(list_images("https://example.org/a.jpg"))


def test_a_tensor_of_values_below_one_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read(torch.full((3, 4, 4), 0.7))
    assert "almost black" in caplog.text


@pytest.mark.parametrize("workers", [0, 3])
def test_reading_ahead_keeps_the_order_and_the_bound(workers: int) -> None:
    taken, given = 0, 0
    maximum = 0

    def items() -> Iterator[int]:
        nonlocal taken, maximum
        for i in range(40):
            taken += 1
            maximum = max(maximum, taken - given)
            yield i

    def work(i: int) -> int:
        time.sleep(0.002 if i % 3 else 0.0)
        return i * i

    found = []
    for result in read_ahead(items(), work, workers=workers, ahead=4):
        found.append(result)
        given += 1
    assert found == [i * i for i in range(40)]
    assert maximum == (1 if workers == 0 else 5)


def test_threads_end_when_nobody_takes_more() -> None:
    before = set(threading.enumerate())
    results = read_ahead(range(100), lambda i: i, workers=2, ahead=3)
    next(results)
    started = set(threading.enumerate()) - before
    assert started
    results.close()  # type: ignore[attr-defined]
    for thread in started:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in started)
