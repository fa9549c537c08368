"""`torch.load` for untrusted files: tensors and plain values only, and no code is run.

Training scripts put their options beside the weights: an `argparse.Namespace`, paths, NumPy scalars
and `defaultdict`s. Unpickling calls their constructors, so inert stand-ins replace these four.
"""

import mmap
import re
import struct
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vision.errors import VisionError
from vision.reading import MAX_WEIGHTS_BYTES, open_file, require_file, shown_path

# The pickle of a checkpoint, without the storages: a few MB for the largest models.
MAX_PICKLE_BYTES = 2**26
# How a pickle names the functions that fill memory with zeros; torch allows them.
ZEROS = (b"c__builtin__\nbytearray\n", b"cbuiltins\nbytearray\n")
# torch's list of allowed names is global to the process.
_LOCK = threading.Lock()


def load_plain(
    path: Path, *, what: str, error: type[VisionError], mapped: bool = False, **options: Any
) -> Any:
    """Read a file of `torch.save` without calling anything that it names.

    An `argparse.Namespace` becomes an empty object, a path its text, a NumPy scalar a number, and a
    `defaultdict` a dict.

    Args:
        path: The file.
        what: What messages call it, such as `"checkpoint"`.
        error: Class of the errors about the file as a whole.
        mapped: Whether tensors are mapped from the file and read when they are used, where its
            format allows it.
        options: Further options of `torch.load`.

    Raises:
        VisionError: Of the class `error`: there is no regular file, it is sparse, compressed, or of
            TorchScript, or asks for more memory than it fills.
        Exception: It is damaged, or holds other objects; any exception of `torch.load`.
    """
    require_file(path, max_bytes=MAX_WEIGHTS_BYTES, what=what, error=error)
    is_zip = zipfile.is_zipfile(path)
    fault = _zip_fault(path) if is_zip else _legacy_fault(path)
    if fault:
        raise error(f"{what} {shown_path(path)} is refused: {fault}")
    options = {"map_location": "cpu", **options, "mmap": mapped and is_zip}
    with _LOCK, warnings.catch_warnings(), _only(_stand_ins()):
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        return torch.load(path, weights_only=True, **options)


@contextmanager
def _only(allowed: list[Any]) -> Iterator[None]:
    """Allow what torch itself allows and these; not what imported packages have added.

    torch.distributed, for one, adds a class whose constructor opens sockets.
    """
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def refused_object(error: Exception) -> str | None:
    """Name of the object in a file that is no tensor or plain value, if the error reports one."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return found[1] if found else None


def _zip_fault(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = {entry.filename.partition("/")[2]: entry for entry in entries}
        if "constants.pkl" in names and any(name.startswith("code/") for name in names):
            return (
                "it is a TorchScript program. Save only the weights where you trust it: "
                "torch.save(torch.jit.load(PATH).state_dict(), NEW_PATH)."
            )
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            return (
                "its parts are compressed, which torch.save never does, and can unpack to any "
                "size. Save it again with torch.save."
            )
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            return "its parts overlap, so that they unpack to more than the file. Copy it again."
        pickle = names.get("data.pkl")
        if pickle is None:
            return None
        if pickle.file_size > MAX_PICKLE_BYTES:
            return f"it has {pickle.file_size:,} bytes of objects beside its tensors."
        text = archive.read(pickle)
    return _ASKS_FOR_ZEROS if any(name in text for name in ZEROS) else None


def _legacy_fault(path: Path) -> str | None:
    if not path.stat().st_size:
        return None
    with (
        open_file(path, max_bytes=MAX_WEIGHTS_BYTES) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        found = any(text.find(name) >= 0 for name in ZEROS)
    return _ASKS_FOR_ZEROS if found else None


_ASKS_FOR_ZEROS = "it asks for memory of any size, as no checkpoint does."


class _Inert:
    """Replaces an object whose contents are not needed."""

    def __new__(cls, *_: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Forget the state."""


class _NumberType:
    """Replaces a `numpy.dtype`.

    Args:
        code: Kind and number of bytes of a number, such as `"f8"`.
    """

    order = "<"

    def __init__(self, code: str = "", *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Take the byte order, the one entry that a number has."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]


_FORMATS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
_FORMATS |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def _number(kind: Any = None, data: Any = b"") -> bool | int | float:
    """Replaces `numpy._core.multiarray.scalar`."""
    code = kind.code if isinstance(kind, _NumberType) else None
    if code not in _FORMATS or not isinstance(data, bytes):
        raise ValueError("a NumPy scalar in it is not a number")
    return struct.unpack(kind.order + _FORMATS[code], data)[0]


def _path_text(*parts: Any) -> str:
    """Replaces the classes of `pathlib`."""
    return "/".join(part for part in parts if isinstance(part, str))


def _plain_dict(*_: Any) -> dict[Any, Any]:
    """Replaces `collections.defaultdict`, without its factory."""
    return {}


def _stand_ins() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    flavours = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    named: dict[str, Callable[..., Any]] = {
        "argparse.Namespace": _Inert,
        "collections.defaultdict": _plain_dict,
        # What a defaultdict is filled by; nothing calls it.
        **{f"builtins.{name}": _Inert for name in ("list", "dict", "int", "float", "str", "bool")},
        "numpy.dtype": _NumberType,
        **{f"numpy.{core}.multiarray.scalar": _number for core in ("core", "_core")},
        # From Python 3.13 on they belong to a private module.
        **{f"pathlib{part}.{name}": _path_text for part in ("", "._local") for name in flavours},
    }
    return [(stand_in, name) for name, stand_in in named.items()]
