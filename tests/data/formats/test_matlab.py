import io
import zlib

import numpy as np
import pytest
from helpers.refusals import refuses
from scipy.io import savemat

from vision.data.formats.matlab import MAX_BYTES, read_variable


def mat(values: np.ndarray, *, compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"other": np.zeros(3), "values": values}, do_compression=compressed)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_a_variable_is_read(compressed: bool) -> None:
    values = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(
        read_variable(mat(values, compressed=compressed), "values"), values
    )
    with pytest.raises(KeyError):
        read_variable(mat(values), "absent")


def test_what_would_fill_the_memory_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    data = mat(np.zeros(MAX_BYTES + 1, np.uint8))
    assert len(data) < MAX_BYTES / 500
    with refuses(ValueError, "67,108,864 bytes", "decompressed"):
        read_variable(data, "values")
    # The parts count together.
    monkeypatch.setattr("vision.data.formats.matlab.MAX_BYTES", 1000)
    part = zlib.compress(bytes(600))
    element = (15).to_bytes(4, "little") + len(part).to_bytes(4, "little") + part
    with refuses(ValueError, "more than 1,000 bytes"):
        read_variable(bytes(126) + b"IM" + element + element, "values")
