"""Variables of MATLAB files (level 5), which datasets of that time have for annotations.

Such a file holds data alone, no code. Its parts are compressed, a thousand times and more if it is
made for that: how much comes of them is found out before any is kept.
"""

import struct
import zlib
from io import BytesIO
from typing import Any

MAX_BYTES = 2**26  # of the parts of a file, decompressed
_HEADER = 128  # bytes; the last two tell the order of the others
_COMPRESSED = 15  # miCOMPRESSED ("MAT-File Format", table 1-1)


def read_variable(data: bytes, name: str) -> Any:
    """Read a variable of a file.

    Args:
        data: The whole file.
        name: The variable.

    Returns:
        As `scipy.io.loadmat` gives it.

    Raises:
        KeyError: There is no such variable.
        ValueError: More than `MAX_BYTES` come of the file.
        Exception: It is damaged, or no MATLAB file: the reader fails in many ways.
    """
    # SciPy comes with scikit-learn; importing it takes long.
    from scipy.io import loadmat

    _check_size(data)
    content = loadmat(
        BytesIO(data),
        variable_names=(name,),
        struct_as_record=True,
        squeeze_me=False,
        verify_compressed_data_integrity=True,
    )
    return content[name]


def _check_size(data: bytes) -> None:
    order = ">" if data[_HEADER - 2 : _HEADER] == b"MI" else "<"
    at, total = _HEADER, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        at += 8
        if kind == _COMPRESSED:
            part = zlib.decompressobj().decompress(data[at : at + size], MAX_BYTES - total + 1)
            total += len(part)
            if total > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES:,} bytes come of it when decompressed")
        at += size
