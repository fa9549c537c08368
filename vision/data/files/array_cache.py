"""A disk cache of arrays made from a file, by the hash of its contents, mapped at the next start.

Parsing a large annotation file takes a minute and gigabytes; mapping the arrays takes neither, and
all processes of a machine share the pages. An entry is a folder of `.npy` files. It is made under
another name and renamed when it is whole, so that a partial entry is never read.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vision.data.files.finding import read_bytes
from vision.data.files.mapped_arrays import map_array
from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.reading import MAX_TABLE_BYTES, open_file

logger = logging.getLogger(__name__)

# Version of the form of an entry.
FORMAT = 1
CONTENTS = "contents.json"
_PART = ".part"


def default_cache_dir() -> Path:
    """`vision/annotations` in `$XDG_CACHE_HOME`, or in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vision" / "annotations"


def cached_arrays(
    path: Path,
    make: Callable[[bytes], Mapping[str, np.ndarray]],
    *,
    version: str,
    folder: Path | None,
) -> Mapping[str, np.ndarray]:
    """The arrays made from a file, mapped from the cache if it has them.

    If several processes need the same entry, one makes it and the others wait. A damaged entry is
    made again. Where the folder cannot be used, a warning is logged, and the arrays are made in
    memory.

    Args:
        path: The file.
        make: Makes the arrays from its contents and nothing else.
        version: Version of `make`: an entry of another version is not read.
        folder: The folder of the cache, made when needed; None keeps nothing.

    Raises:
        DataError: The file is absent or cannot be read.
    """
    if folder is None:
        return make(read_bytes(path))
    entry = folder / _key(_digest(path), version)
    arrays = _read_entry(entry, warn=False)
    if arrays is not None:
        return arrays
    made: Mapping[str, np.ndarray] | None = None
    try:
        import filelock

        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{entry}.lock"):
            # Another process may have made it while this one waited.
            arrays = _read_entry(entry)
            if arrays is not None:
                return arrays
            data = read_bytes(path)
            # The file may have been replaced since it was hashed.
            entry = folder / _key(hashlib.blake2b(data, digest_size=20).hexdigest(), version)
            made = make(data)
            del data
            _write_entry(entry, made)
    except OSError as error:
        logger.warning(
            "the annotations of '%s' are not cached for the next start: the cache '%s' cannot be "
            "written to (%s). Set --data.cache_dir to a folder that can.",
            path,
            folder,
            error,
        )
        return make(read_bytes(path)) if made is None else made
    return _read_entry(entry) or made


def _digest(path: Path) -> str:
    with open_file(path, max_bytes=MAX_TABLE_BYTES, what="annotation file") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def _key(digest: str, version: str) -> str:
    return f"{digest}-{version}-{FORMAT}"


def _read_entry(entry: Path, *, warn: bool = True) -> dict[str, np.ndarray] | None:
    """The mapped arrays of an entry; None if it is absent or damaged."""
    if not entry.is_dir():
        return None
    try:
        sizes = read_json(entry / CONTENTS)
        arrays = {}
        for name, size in sizes.items():
            path = entry / f"{name}.npy"
            if path.stat().st_size != size:
                raise DataError(f"'{path}' has another length than it was written with.")
            arrays[name] = map_array(path)
    except (OSError, ValueError, AttributeError) as error:  # DataError is a ValueError
        if warn:
            logger.warning("the cached annotations in '%s' are damaged: %s", entry, error)
        return None
    return arrays


def _write_entry(entry: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an entry; the caller holds its lock."""
    for left in entry.parent.glob(f"{entry.name}.*{_PART}"):  # left by a killed process
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", suffix=_PART, dir=entry.parent))
    try:
        sizes = {}
        for name, array in arrays.items():
            path = part / f"{name}.npy"
            np.save(path, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)
            sizes[name] = path.stat().st_size
        (part / CONTENTS).write_text(json.dumps(sizes))
        if entry.exists():  # damaged; a process that has it mapped keeps its pages
            old = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", suffix=_PART, dir=entry.parent))
            os.rename(entry, old / "damaged")
            shutil.rmtree(old, ignore_errors=True)
        os.rename(part, entry)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(part)
        raise
