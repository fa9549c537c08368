"""PNG files of 16 bits, read by other decoders than the suite's."""

import io

import numpy as np
import pytest
from PIL import Image

from vision.ops.png import png_fault, png_size_fault, png_texts
from vision.ops.png_writing import encode_png


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (40, 3)])
def test_grey_values_and_texts_are_read_by_pillow(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 16, size, dtype=np.uint16)
    data = encode_png(values, {"Title": "depth", "Scale": "256"})
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image).astype(np.uint16), values)
        assert image.text == {"Title": "depth", "Scale": "256"}
    assert png_texts(data) == {"Title": "depth", "Scale": "256"}
    assert png_fault(data, strict=True) is png_size_fault(data) is None


def test_rgb_values_are_read_by_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).integers(0, 1 << 16, (6, 9, 3), dtype=np.uint16)
    data = np.frombuffer(encode_png(values), np.uint8)
    assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., ::-1], values)


def test_texts_of_a_broken_file_are_left_out() -> None:
    data = encode_png(np.ones((2, 2), np.uint16), {"Scale": "256"})
    at = data.index(b"256")
    assert png_texts(data[:at] + b"999" + data[at + 3 :]) == {}
    assert png_texts(data[:50]) == png_texts(b"no PNG file") == {}
