"""Reading of variables in MATLAB files (level 5), a format of annotations.

Such a file holds only data, no code. Its parts are compressed, in a malicious file a thousand times
and more: their decompressed size is measured before any is kept.
"""

import struct
import zlib
from io import BytesIO
from typing import Any

MAX_BYTES = 2**26  # of the parts of a file, decompressed
_HEADER = 128  # bytes; the last two give the byte order
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
        ValueError: The file has more than `MAX_BYTES` when decompressed.
        Exception: It is damaged or not a MATLAB file: the reader raises many kinds of error.
    """
    # SciPy comes with scikit-learn; importing it is slow.
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
                raise ValueError(f"it has more than {MAX_BYTES:,} bytes when decompressed")
        at += size
