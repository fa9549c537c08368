"""The frames of a camera, through PyAV, the extra `video`."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.errors import DataError, listed
from vision.predict.results import import_optional

RATE = Fraction(25)  # of a camera that does not state its own
DEVICES = Path("/dev")


class Camera:
    """A camera of this machine; its frames are read as they are taken, without end.

    Args:
        index: Its number, from 0.

    Attributes:
        rate: Frames per second.
        frames: None: a camera has no end.

    Raises:
        MissingPackageError: PyAV is not installed.
        DataError: There is no such camera, or it cannot be opened.
    """

    def __init__(self, index: int) -> None:
        av = import_optional("av", extra="video")
        self.name = f"camera {index}"
        file, form, options = _device(index)
        try:
            self._container: Any = av.open(file, format=form, options=options)
            self._stream = self._container.streams.video[0]
        except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
            raise DataError(
                f"{self.name} cannot be opened: {error}. Close other programs that use it, and "
                "check that this user may read it."
            ) from error
        self.rate: Fraction = self._stream.average_rate or RATE
        self.frames: int | None = None

    def __iter__(self) -> Iterator[tuple[Tensor, float]]:
        """Yields each frame, uint8 `(3, H, W)` RGB, and its time in seconds from the first on.

        Raises:
            DataError: The camera has failed.
        """
        start: float | None = None
        try:
            for number, frame in enumerate(self._container.decode(self._stream)):
                time_s = float(number / self.rate if frame.time is None else frame.time)
                start = time_s if start is None else start
                pixels = frame.to_ndarray(format="rgb24")
                yield torch.from_numpy(pixels).permute(2, 0, 1), time_s - start
        except (OSError, ValueError) as error:
            raise DataError(f"{self.name} gives no more frames: {error}.") from error
        finally:
            with suppress(OSError, ValueError):
                self._container.close()


def _device(index: int) -> tuple[str, str, dict[str, str]]:
    """File, format and options by which FFmpeg opens a camera.

    Raises:
        DataError: There is no such camera, or none can be opened by number on this system.
    """
    if sys.platform == "darwin":
        return str(index), "avfoundation", {"framerate": "30"}
    if sys.platform != "linux":
        raise DataError("cameras can be opened by number on Linux and macOS only.")
    path = DEVICES / f"video{index}"
    if not path.exists():
        there = sorted(one.name.removeprefix("video") for one in DEVICES.glob("video*"))
        found = f"there are {listed(there)}" if there else "this machine has none"
        raise DataError(
            f"there is no camera {index}: {found}. A file of that name is given as ./{index}."
        )
    return str(path), "v4l2", {}
