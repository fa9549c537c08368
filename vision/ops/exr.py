"""Depth in OpenEXR files, `.exr`, by the package OpenEXR."""

from pathlib import Path

import numpy as np

from vision.errors import DataError, MissingPackageError
from vision.ops.image_limits import check_pixels
from vision.options import UNEXPECTED
from vision.reading import MAX_IMAGE_BYTES, require_file

# Names of the channel of depth, the usual one first: renderers write Z, alone or in a layer, others
# a grey image.
CHANNELS = ("Z", "Y", "R", "V")


def read_exr(path: Path) -> np.ndarray:
    """Read the channel of depth.

    Args:
        path: The file.

    Returns:
        float32 `(H, W)`, as stored.

    Raises:
        DataError: It is absent, broken, or has no channel of `CHANNELS` and several others.
        MissingPackageError: OpenEXR is not installed.
    """
    require_file(path, max_bytes=MAX_IMAGE_BYTES)
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingPackageError(
            f"'{path}' is read by the package OpenEXR, which is not installed: "
            "`pip install OpenEXR`."
        ) from error
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            low, high = file.header()["dataWindow"]
        check_pixels(int(high[1] - low[1]) + 1, int(high[0] - low[0]) + 1, f"'{path}'")
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except DataError:
        raise
    except (*UNEXPECTED, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"'{path}' is not a whole EXR file: {reason}.") from error
    last = {name.rpartition(".")[2]: name for name in reversed(sorted(channels))}
    found = next((last[name] for name in CHANNELS if name in last), None)
    name = next(iter(channels)) if found is None and len(channels) == 1 else found
    if name is None:
        raise DataError(
            f"'{path}' has the channels {', '.join(sorted(channels))}; expected depth in one of "
            f"{', '.join(CHANNELS)}, or a single channel."
        )
    return np.array(channels[name], dtype=np.float32)
