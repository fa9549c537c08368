"""Arrays of floats in NumPy's `.npy` and `.npz` files."""

import zipfile
from pathlib import Path
from tokenize import TokenError

import numpy as np

from vision.errors import DataError, listed
from vision.ops.npy_files import PARSING, map_npy
from vision.options import UNEXPECTED
from vision.reading import MAX_IMAGE_BYTES, require_file

# NumPy parses the header as Python text.
BROKEN = (*UNEXPECTED, OSError, EOFError, SyntaxError, TokenError)
NPZ = ".npz"


def read_floats(path: Path, what: str, key: str = "") -> np.ndarray:
    """Read an array of floats; nothing in the file is executed.

    Args:
        path: The `.npy` file, or an `.npz` file if there is a `key`.
        what: What it holds, for messages, such as `"depth in metres"`.
        key: Name of the array in an `.npz` file of several.

    Returns:
        float64, of the shape in the file.

    Raises:
        DataError: The file is absent, broken, or holds something else.
    """
    require_file(path, max_bytes=MAX_IMAGE_BYTES)
    packed = bool(key) and path.suffix == NPZ
    try:
        # Mapped: a header that states more values than the file has allocates nothing.
        array = _packed(path, key) if packed else map_npy(path)
    except DataError:
        raise
    except (*BROKEN, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        kind, writer = (NPZ, "savez") if packed else (".npy", "save")
        raise DataError(
            f"'{path}' is not a whole {kind} file: {reason}. Write it again with numpy.{writer}."
        ) from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        found = array.dtype if isinstance(array, np.ndarray) else "several arrays (.npz)"
        raise DataError(f"'{path}' holds {found}; expected one array of floats, {what}.")
    return np.array(array, dtype=np.float64)


def _packed(path: Path, key: str) -> np.ndarray:
    """An array of an `.npz` file: the only one, or that of a name."""
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
        largest = max((entry.file_size for entry in archive.infolist()), default=0)
    if largest > MAX_IMAGE_BYTES:
        raise DataError(
            f"'{path}' states an array of {largest:,} bytes, more than {MAX_IMAGE_BYTES:,}."
        )
    if len(names) != 1 and key not in names:
        raise DataError(
            f"'{path}' has the arrays {listed(map(repr, names)) or 'none'}; expected one, or one of"
            f" the name {key!r}."
        )
    with PARSING, np.load(path, allow_pickle=False) as arrays:
        return arrays[key if key in names else names[0]]
