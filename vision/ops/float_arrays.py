"""Arrays of floats in NumPy's `.npy` files."""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from vision.errors import DataError
from vision.options import UNEXPECTED
from vision.reading import MAX_IMAGE_BYTES, require_file

# NumPy parses the header as Python text.
BROKEN = (*UNEXPECTED, OSError, EOFError, SyntaxError, TokenError)


def read_floats(path: Path, what: str) -> np.ndarray:
    """Read an array of floats; nothing in the file is executed.

    Args:
        path: The `.npy` file.
        what: What it holds, for messages, such as `"depth in metres"`.

    Returns:
        float64, of the shape in the file.

    Raises:
        DataError: The file is absent, broken, or holds something else.
    """
    require_file(path, max_bytes=MAX_IMAGE_BYTES)
    try:
        # Mapped: a header that states more values than the file has allocates nothing.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(
            f"'{path}' is not a whole .npy file: {reason}. Write it again with numpy.save."
        ) from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        kind = array.dtype if isinstance(array, np.ndarray) else "several arrays (.npz)"
        raise DataError(f"'{path}' holds {kind}; expected one array of floats, {what}.")
    return np.array(array, dtype=np.float64)
