"""Arrays in files: mapped into memory, and pickled as the path of their file.

Forked workers share a mapped file as they share any memory. A spawned one gets its dataset pickled:
the path is enough, and it maps the same pages of the system's file cache.
"""

import io
import math
import mmap
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vision.errors import DataError
from vision.reading import MAX_TABLE_BYTES, require_file


class MappedFile:
    """The placeholder of a mapped array in a pickle.

    Args:
        path: The `.npy` file.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def load(self) -> np.ndarray:
        """Map the file again.

        Raises:
            DataError: It is gone or no longer an array.
        """
        return map_array(Path(self.path))


class PickledByPath:
    """An object whose mapped arrays are pickled as paths; all else is pickled as usual.

    A class may have both arrays from memory and mapped ones: an array that is not a whole mapped
    file is pickled with its values.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {name: _packed(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self.__dict__[name] = value.load() if isinstance(value, MappedFile) else value


def map_array(path: Path) -> np.ndarray:
    """Map a `.npy` file into memory, read-only.

    Raises:
        DataError: The file is absent, damaged, or holds anything but plain numbers.
    """
    require_file(path, max_bytes=MAX_TABLE_BYTES, what="array of a prepared dataset")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"the array '{path}' of a prepared dataset cannot be read: {error}. "
            "Start again: it is then made once more."
        ) from error
    # As a plain array, which is several times as fast to slice.
    return array.view(np.ndarray)


def parse_array(data: bytes, name: str) -> np.ndarray:
    """The array of a `.npy` file in memory: read-only, without a copy.

    Args:
        data: The file.
        name: What messages call it.

    Raises:
        DataError: It is damaged, its length is not the stated one, or it holds anything but
            numbers.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"its version is {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which can run code")
        count, found = math.prod(shape), len(data) - stream.tell()
        if count * dtype.itemsize != found:
            raise ValueError(f"it states {count:,} values of {dtype}, but has {found:,} bytes")
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.frombuffer(data, dtype, count, stream.tell()).reshape(shape, order=order)
    except (ValueError, EOFError, TypeError) as error:
        raise DataError(f"{name} is not an array of numbers: {error}.") from error


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array is a whole file of `map_array`."""
    whole = array.base
    return (
        isinstance(whole, np.memmap)
        and isinstance(whole.base, mmap.mmap)
        and (array.shape, array.strides, array.dtype) == (whole.shape, whole.strides, whole.dtype)
    )


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and is_mapped(value):
        return MappedFile(str(value.base.filename))  # type: ignore[union-attr]
    return value
