"""Read the pickle files of old datasets without running code from them.

A pickle is a program. This reader gives it nothing to call: inert stand-ins replace what a NumPy
array of plain numbers needs, arrays are built from the raw bytes afterwards, and every other name
is refused.
"""

import io
import pickle
import re
from typing import Any

import numpy as np

from vision.errors import DataError

# Numbers of fixed size; the byte order is stated separately.
_NUMBERS = re.compile(r"[biuf][1248]")


def read_plain_pickle(data: bytes, name: str) -> dict[str, Any]:
    """Read a pickled dict of strings, numbers, lists and arrays of numbers.

    Strings of Python 2 are read as Latin-1, so that its keys become `str`.

    Args:
        data: The whole file.
        name: Where it comes from, for errors.

    Returns:
        The dict; arrays among its values are read-only NumPy arrays.

    Raises:
        DataError: The file is truncated, is not a pickle of a dict, or asks for anything else.
    """
    try:
        content = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}, expected a dict")
        return {
            str(key): value.to_numpy() if isinstance(value, _Array) else value
            for key, value in content.items()
        }
    except _RefusedError as error:
        raise DataError(
            f"'{name}' is refused: it asks for '{error}', which official files of datasets do not. "
            "A pickle file can run any code; replace the file by the original."
        ) from None
    # A damaged pickle is a damaged program: it can raise any error.
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"'{name}' cannot be read as a pickle of a dict ({len(data):,} bytes): {reason}. It is "
            "truncated or damaged; unpack or download it again."
        ) from error


class _RefusedError(Exception):
    """A pickle asked for the object of this name."""


class _Inert:
    """Base of the stand-ins: a pickle cannot set attributes of them."""

    def __setstate__(self, state: object) -> None:
        raise TypeError("the state of this object cannot be set")


class _Dtype(_Inert):
    """Stands in for `numpy.dtype`: a kind of number and its byte order."""

    def __init__(self, code: str, *_: object) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise TypeError(f"it holds an array of {code!r}, expected plain numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(_Inert):
    """Stands in for `numpy.ndarray`."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.is_fortran, self.data = state

    def to_numpy(self) -> np.ndarray:
        # A Python 2 string arrives as text.
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        order = "F" if self.is_fortran else "C"
        return np.frombuffer(data, self.dtype.dtype).reshape(self.shape, order=order)  # type: ignore[call-overload]


class _Reconstruct(_Inert):
    """Stands in for the function that makes an empty array, to be filled by its state."""

    def __new__(cls, *_: object) -> Any:
        return _Array()


class _Encode(_Inert):
    """Stands in for `_codecs.encode`, by which Python 3 writes bytes into older pickles."""

    def __new__(cls, text: str, encoding: str) -> Any:
        if encoding != "latin1":
            raise TypeError(f"it encodes text as {encoding!r}, expected 'latin1'")
        return text.encode(encoding)


_STAND_INS: dict[tuple[str, str], type[_Inert]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct,
    ("_codecs", "encode"): _Encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise _RefusedError(f"{module}.{name}")
        return _STAND_INS[module, name]
