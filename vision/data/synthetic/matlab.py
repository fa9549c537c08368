"""Files of MATLAB: version 5 by SciPy, version 7.3, which is HDF5, by h5py."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

# Both begin with a text of this length. MATLAB writes the date there; equal data give equal files.
TEXT_BYTES = 116
TEXT_5 = "MATLAB 5.0 MAT-file, Platform: GLNXA64"
TEXT_73 = "MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."
# HDF5 begins after a block of this size; version 2.0 and the order of bytes follow the text.
USER_BLOCK = 512
VERSION_73 = bytes(8) + b"\x00\x02IM"
REFERENCES = "#refs#"


def write_mat5(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a file of MATLAB 5."""
    from scipy.io import savemat

    savemat(path, dict(arrays))
    with path.open("r+b") as file:
        file.write(TEXT_5.ljust(TEXT_BYTES).encode())


class MatFile:
    """A file of MATLAB 7.3 that is written image by image; a context manager.

    Arrays lie there in the order of MATLAB, whose first axis is the last one of HDF5.

    Args:
        path: The file to make. h5py is needed.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        self.path = path
        self.file = h5py.File(path, "w", userblock_size=USER_BLOCK)

    def __enter__(self) -> "MatFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()
        if error is None:
            with self.path.open("r+b") as file:
                file.write(TEXT_73.ljust(TEXT_BYTES).encode() + VERSION_73)

    def put(self, name: str, array: np.ndarray, place: int, count: int) -> None:
        """Write an image of a variable.

        Args:
            name: The variable, in MATLAB `(H, W, N)` or `(H, W, 3, N)`.
            array: `(H, W)` or `(H, W, 3)`, one of equal shapes and types.
            place: Its index, from 0.
            count: N.
        """
        turned = array.T
        if name not in self.file:
            found = self.file.create_dataset(
                name,
                shape=(count, *turned.shape),
                dtype=array.dtype,
                chunks=(1, *turned.shape),
                compression="gzip",
            )
            kind = "single" if array.dtype == np.float32 else array.dtype.name
            found.attrs["MATLAB_class"] = np.bytes_(kind)
        self.file[name][place] = turned

    def put_texts(self, name: str, texts: Sequence[str]) -> None:
        """Write a cell array of texts."""
        import h5py

        group = self.file.require_group(REFERENCES)
        cells = np.empty((1, len(texts)), dtype=h5py.ref_dtype)
        for place, text in enumerate(texts):
            codes = np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]
            item = group.create_dataset(f"{name}_{place}", data=codes)
            item.attrs["MATLAB_class"] = np.bytes_("char")
            item.attrs["MATLAB_int_decode"] = np.int32(2)
            cells[0, place] = item.ref
        found = self.file.create_dataset(name, data=cells, dtype=h5py.ref_dtype)
        found.attrs["MATLAB_class"] = np.bytes_("cell")
