"""Predict a video frame by frame, in constant memory. Needs PyAV, the extra `video`."""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from vision.documents.json_writing import to_json
from vision.errors import ConfigError, DataError
from vision.files import fit_name, unfinished_name
from vision.ops.image_limits import check_pixels, max_pixels
from vision.predict.camera import Camera
from vision.predict.job import LINES, Progress, Show, Summary, job_description, open_folder
from vision.predict.options import PredictOptions
from vision.predict.results import import_optional
from vision.predict.run import Predictions
from vision.reading import MAX_ARCHIVE_BYTES, open_file

if TYPE_CHECKING:
    from PIL.Image import Image

    from vision.predict.model import Model

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
# The first available encoder is used: H.264 plays everywhere, but some builds lack it.
ENCODERS = ("libx264", "mpeg4")
RATE = Fraction(25)  # of a video that does not state its own


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the suffix of a video."""
    return os.fspath(path).lower().endswith(SUFFIXES)


class Video:
    """A video file; its frames are decoded as they are taken.

    Args:
        path: The file.

    Attributes:
        name: The path as it was given.
        rate: Frames per second.
        frames: Number of frames stated in the file; None if not stated.

    Raises:
        MissingPackageError: PyAV is not installed.
        DataError: The file is absent or not a video.
        ImageError: Its frames have more pixels than `max_pixels`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._av = import_optional("av", extra="video")
        self.path = Path(path)
        self.name = os.fspath(path)
        self._file = open_file(path, max_bytes=MAX_ARCHIVE_BYTES, what="video")
        try:
            # A file may be a list of others, or a URL: only the file itself is opened.
            self._container = self._av.open(self._file, options={"protocol_whitelist": "pipe"})
            self._stream = self._container.streams.video[0]
        except (OSError, ValueError, IndexError) as error:
            self._file.close()
            raise DataError(f"'{path}' cannot be read as a video: {error}.") from error
        context = self._stream.codec_context
        check_pixels(context.height or 0, context.width or 0, f"video '{path}'")
        # A frame may have another size than the file states.
        if max_pixels() < math.inf:
            context.options = {"max_pixels": str(max_pixels())}
        self._stream.thread_type = "AUTO"
        self.rate: Fraction = self._stream.average_rate or RATE
        self.frames: int | None = self._stream.frames or None

    def __iter__(self) -> Iterator[tuple[Tensor, float]]:
        """Yields each frame, uint8 `(3, H, W)` RGB, and its time in seconds.

        Raises:
            DataError: The video is damaged.
        """
        number = 0
        try:
            for frame in self._container.decode(self._stream):
                time_s = number / self.rate if frame.time is None else frame.time
                pixels = frame.to_ndarray(format="rgb24")
                number += 1
                yield torch.from_numpy(pixels).permute(2, 0, 1), float(time_s)
        except (OSError, ValueError) as error:
            raise DataError(f"'{self.path}' is broken after frame {number}: {error}.") from error
        finally:
            self._container.close()
            self._file.close()


class VideoWriter:
    """Writes pictures of one size as an MP4 file, which appears when it is complete.

    Args:
        path: The file; its folder is created if absent.
        size: Height and width in pixels.
        rate: Frames per second.

    Raises:
        MissingPackageError: PyAV is not installed.
        DataError: PyAV has no encoder, or the file cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction) -> None:
        self._av = import_optional("av", extra="video")
        self.path = path
        self.size = size
        self._unfinished = path.with_name(unfinished_name(path.name))
        encoder = next((name for name in ENCODERS if name in self._av.codecs_available), None)
        if encoder is None:
            raise DataError(
                f"this build of PyAV has none of the encoders {', '.join(ENCODERS)}: leave the "
                "drawn video out, or install PyAV's own wheel."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = self._av.open(str(self._unfinished), "w")
            self._stream = self._container.add_stream(encoder, rate=rate)
        except (OSError, ValueError) as error:
            raise DataError(f"the video '{path}' cannot be written: {error}.") from error
        self._stream.height, self._stream.width = size
        # Colours at half the resolution, as players expect, need even sides.
        odd = size[0] % 2 or size[1] % 2
        self._stream.pix_fmt = "yuv444p" if odd and encoder == "libx264" else "yuv420p"

    def write(self, picture: "Image") -> None:
        """Write a picture; another size is fitted into the video's."""
        from PIL import ImageOps

        height, width = self.size
        if picture.size != (width, height):
            picture = ImageOps.pad(picture, (width, height), color="white")
        frame = self._av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def finish(self) -> None:
        """Write the remaining frames, and give the file its name."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        os.replace(self._unfinished, self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        with suppress(OSError, ValueError):
            self._container.close()
        with suppress(OSError):
            self._unfinished.unlink()


def predict_video(
    model: "Model",
    source: str | os.PathLike[str] | Camera,
    folder: Path,
    options: PredictOptions,
    *,
    pictures: bool = True,
    max_frames: int | None = None,
    progress: Progress | None = None,
    show: Show | None = None,
) -> Summary:
    """Predict the frames of a video or a camera, and write the results.

    `predictions.jsonl` has a line per frame, with `index` and `time_s`; `NAME.mp4` has the drawn
    frames, at the rate and in the size of the video, without its sound. A video is always predicted
    from its first frame on. A camera has no end: Ctrl-C, or `max_frames`, ends it in order.

    Args:
        model: The model.
        source: The path of a video, or a camera.
        folder: Where results are written: a new folder, or an earlier one of the same job.
        options: Options of prediction.
        pictures: Whether to write the drawn video.
        max_frames: End after so many frames; None for all.
        progress: Called with the number of finished frames, and of all if known.
        show: Called with the name of each frame and its result, as soon as it is known.

    Raises:
        MissingPackageError: PyAV is not installed.
        ConfigError: The folder holds something else, or the task takes no images.
        DataError: The video is absent or broken, or results cannot be written.
    """
    model.predictor.check(options)
    if not model.predictor.takes_frames:
        raise ConfigError(
            f"a {type(model.task).__name__} takes no frames of a video: give "
            f"{model.predictor.sources.expected}."
        )
    video: Video | Camera = source if isinstance(source, Camera) else Video(source)
    open_folder(folder, job_description(model, video.name, options, pictures=pictures))
    times: dict[int, float] = {}
    results = Predictions(model.predictor, _timed(islice(video, max_frames), times), options)
    draw = model.predictor.frame_drawer()
    drawn = _DrawnVideo(folder / fit_name(f"{Path(video.name).stem}.mp4"), video.rate)
    unfinished = folder / f".unfinished.{LINES}"
    done = 0
    with (
        closing(results),
        drawn,
        unfinished.open("w", encoding="utf-8") as lines,
        _end_by_hand(video),
    ):
        for result in results:
            moment = {"index": result.index, "time_s": times.pop(result.index)}
            lines.write(to_json({**result.to_dict(), **moment}) + "\n")
            lines.flush()
            if pictures:
                picture = draw(result)
                as_drawn = model.predictor.frames_as_drawn
                drawn.write(picture, picture.size[::-1] if as_drawn else result.size)
            done += 1
            if show is not None:
                show(f"frame {result.index}, {moment['time_s']:.2f} s", result)
            if progress is not None:
                progress(done, video.frames)
    os.replace(unfinished, folder / LINES)
    return Summary(done, 0, 0, (LINES, *drawn.files))


def _timed(frames: Iterable[tuple[Tensor, float]], times: dict[int, float]) -> Iterator[Tensor]:
    """The frames alone; the time of each is noted by its number when it is taken."""
    for index, (frame, time_s) in enumerate(frames):
        times[index] = time_s
        yield frame


class _DrawnVideo:
    """The drawn frames as a video, which begins with the first: whole, or absent after an error.

    Args:
        path: The file.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.path, self.rate = path, rate
        self._writer: VideoWriter | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The name of the file, if it has a frame."""
        return () if self._writer is None else (self.path.name,)

    def write(self, picture: "Image", size: tuple[int, ...]) -> None:
        """Write a picture; the video has the height and width that are given with the first."""
        height, width = size
        self._writer = self._writer or VideoWriter(self.path, (height, width), self.rate)
        self._writer.write(picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        if kind is not None:
            self._writer.abandon()
            return
        try:
            self._writer.finish()
        except BaseException:
            self._writer.abandon()
            raise


@contextmanager
def _end_by_hand(video: Video | Camera) -> Iterator[None]:
    """End the frames of a camera in order at Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        if not isinstance(video, Camera):
            raise
