"""List and read images of any source: files, folders, patterns, arrays, tensors, lists."""

import glob
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vision.data.files.finding import IMAGE_SUFFIXES, find_images, walk_folders
from vision.data.images.arrays import array_to_image
from vision.data.images.read import convert_image, read_image
from vision.documents.json_writing import spelt
from vision.errors import ConfigError, DataError, ImageError
from vision.reading import user_path

logger = logging.getLogger(__name__)

EXPECTED = (
    "Give the path of an image, a folder, a pattern such as 'photos/*.jpg', a PIL image, a NumPy "
    "array (H, W[, 3 or 4]), a tensor ([B, ]3, H, W), or a list or generator of these."
)
URL = ("http://", "https://", "s3://", "gs://")
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class UnreadImage:
    """An image of a source, not read yet.

    Attributes:
        index: Its number in the source, from 0.
        path: Its file; None for one in memory.
        image: uint8 `(3, H, W)` RGB, or its error; None for one in a file.
    """

    index: int
    path: str | None
    image: Tensor | ImageError | None

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.path or f"image {self.index}"

    def read(self) -> Tensor:
        """The pixels, uint8 `(3, H, W)` RGB, upright.

        Raises:
            ImageError: The image cannot be read.
        """
        if self.image is None:
            assert self.path is not None, "an image is in a file or in memory"
            return read_image(self.path)
        if isinstance(self.image, ImageError):
            raise self.image
        return self.image


def list_images(source: Any) -> Iterator[UnreadImage]:
    """List the images of a source in its order; files of a folder or pattern by name.

    Files are not opened, and a list or generator is taken item by item. Images in memory are copied
    at once: their source may reuse the memory.

    Args:
        source: The path of an image, a folder (searched recursively) or a pattern (`**` crosses
            folders); a PIL image; a NumPy array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` RGB or
            `(H, W, 4)` RGBA of uint8, uint16 or floats in 0..1; a tensor `(3, H, W)` or
            `(B, 3, H, W)` RGB of uint8 or floats in 0..255; a list or iterable of any of these.

    Yields:
        The images, numbered.

    Raises:
        ConfigError: The source, or an item of it, does not hold images.
        DataError: A folder or a pattern holds no images.
    """
    for index, (path, image) in enumerate(_expand(source)):
        yield UnreadImage(index, path, image)


def _expand(source: Any) -> Iterator[tuple[str | None, Tensor | ImageError | None]]:
    if isinstance(source, str | os.PathLike):
        for path in find_files(source):
            yield path, None
    elif isinstance(source, Image.Image):
        yield _file_of(source), _converted(convert_image, source)
    elif isinstance(source, np.ndarray):
        yield None, _converted(array_to_image, source)
    elif isinstance(source, Tensor):
        for one in source if source.ndim == 4 else (source,):
            yield None, _converted(tensor_to_image, one)
    elif isinstance(source, Iterable) and not isinstance(source, Mapping | bytes):
        for one in source:
            yield from _expand(one)
    else:
        raise ConfigError(f"a {type(source).__name__} holds no images. {EXPECTED}")


def find_files(source: str | os.PathLike[str]) -> list[str]:
    """Find the image files of a path, a folder or a pattern.

    Raises:
        ConfigError: It is a URL.
        DataError: A folder or pattern holds no images.
    """
    text = os.fspath(source)
    if text.startswith(URL):
        raise ConfigError(f"'{text}' is a URL: download it, and give the file.")
    path = user_path(source)
    if path.is_dir():
        ignored: Counter[str] = Counter()
        found = find_images(path, ignored)
        if not found:
            others = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(4))
            raise DataError(
                f"there are no images in '{path.resolve()}'{f' (but {others})' if others else ''}. "
                f"Files that count end in {', '.join(IMAGE_SUFFIXES)}."
            )
        return found
    if path.exists() or not glob.has_magic(text):
        return [str(path)]
    matches = sorted(_matches(path))
    found = [match for match in matches if match.lower().endswith(IMAGE_SUFFIXES)]
    if not found:
        raise DataError(
            f"no image matches '{text}' ({len(matches)} other files and folders do; looked from "
            f"{Path.cwd()})."
        )
    return found


def name_images(source: str | os.PathLike[str] | Sequence[str]) -> dict[str, str]:
    """The image files of a source, by their paths relative to their common folder.

    Args:
        source: An image, a folder or a pattern, or a list of files, which need not exist.

    Raises:
        DataError: There are no images.
    """
    if not isinstance(source, str | os.PathLike):
        return _relative(source, _common_folder(source))
    paths = find_files(source)
    if len(paths) == 1 and not os.path.isfile(paths[0]):
        raise DataError(
            f"there is no '{source}' (looked at {os.path.abspath(paths[0])}): give an image, a "
            "folder, a pattern or a video."
        )
    root = Path(source).expanduser()
    return _relative(paths, root if root.is_dir() else _common_folder(paths))


def _common_folder(paths: Sequence[str]) -> Path:
    return Path(os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]))


def _relative(paths: Sequence[str], root: Path) -> dict[str, str]:
    """Paths by their place in a folder."""
    root = Path(os.path.abspath(root))
    places = {path: PurePath(os.path.abspath(path)).relative_to(root) for path in paths}
    return {spelt(place.as_posix()): path for path, place in places.items()}


def _matches(pattern: Path) -> Iterable[str]:
    """The matches of a pattern; `**` matches a folder and all folders in it (`walk_folders`)."""
    parts = pattern.parts
    if "**" not in parts:
        return glob.glob(str(pattern))
    place = parts.index("**")
    rest = os.path.join(*(parts[place + 1 :] or ("*",)))
    if "**" in parts[place + 1 :]:
        raise ConfigError(f"'{pattern}' has ** twice: one stands for folders of any depth.")
    found: set[str] = set()
    for top in glob.glob(str(Path(*parts[:place]))) if place else ["."]:
        for folder, _ in walk_folders(Path(top)) if os.path.isdir(top) else ():
            found.update(glob.glob(os.path.normpath(os.path.join(glob.escape(folder), rest))))
    return found


def _file_of(image: Image.Image) -> str | None:
    return getattr(image, "filename", None) or None


def _converted(convert: Callable[[Any], Tensor], value: Any) -> Tensor | ImageError:
    """The image, or its error, to be raised when the image is read."""
    try:
        return convert(value)
    except ImageError as error:
        return error


def tensor_to_image(tensor: Tensor) -> Tensor:
    """Convert a tensor of pixels to an image.

    Args:
        tensor: `(3, H, W)` RGB or `(1, H, W)` grey, uint8 or floats in 0..255, as in batches.

    Returns:
        uint8 `(3, H, W)` RGB on the CPU, a copy; floats are rounded.

    Raises:
        ImageError: Shape, type or values do not fit.
    """
    shape = tuple(tensor.shape)
    if len(shape) != 3 or 0 in shape or shape[0] not in (1, 3):
        raise ImageError(f"a tensor of shape {shape} is not an image: expected (3, H, W) RGB.")
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise ImageError(
            f"a tensor of {tensor.dtype} is not an image: expected uint8, or floats in 0..255."
        )
    pixels = tensor.detach().cpu()
    if tensor.is_floating_point():
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 255):
            raise ImageError(
                f"a tensor of floats from {low:g} to {high:g} is not an image: expected 0..255, "
                "not normalised."
            )
        if 0 < high <= 1:
            logger.warning(
                "a tensor of floats from %g to %g is almost black: tensors have values in 0..255.",
                low,
                high,
            )
        pixels = pixels.round()
    return pixels.to(torch.uint8).expand(3, -1, -1).contiguous().clone()


def read_ahead(
    items: Iterable[T], work: Callable[[T], U], *, workers: int, ahead: int
) -> Iterator[U]:
    """Process items in threads ahead of the consumer, keeping their order.

    Args:
        items: Consumed one by one, in the caller's thread.
        work: Called with an item.
        workers: Number of threads; 0 works in the caller's thread, not ahead.
        ahead: Maximum number of items in progress and results waiting.

    Yields:
        The results. An exception of `work` is raised in place of its result.
    """
    if workers == 0:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read-image")
    waiting: deque[Future[U]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
