"""Arrays that lie in files: mapped into memory, and pickled by the path of their file.

Forked workers share a mapped file as they share any memory. A spawned one gets its dataset pickled:
the path is enough, and it maps the same pages of the system's file cache.
"""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from vision.errors import DataError


class MappedFile:
    """Stands for a mapped array in a pickle.

    Args:
        path: The `.npy` file.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def load(self) -> np.ndarray:
        """Map the file anew.

        Raises:
            DataError: It is gone, or is no array any more.
        """
        return map_array(Path(self.path))


class PickledByPath:
    """An object whose mapped arrays are pickled by path; all else is pickled as usual.

    A class that has both arrays from memory and mapped ones needs nothing further: what is not a
    whole mapped file is pickled with its values.
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
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"the array '{path}' of a prepared dataset cannot be read: {error}. "
            "Start again: it is then made anew."
        ) from error
    # As a plain array, of which a part is taken several times as fast.
    return array.view(np.ndarray)


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
