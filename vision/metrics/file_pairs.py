"""Two folders whose files are compared: the pairs, and threads that read them."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from vision.errors import DataError

Item = TypeVar("Item")
Value = TypeVar("Value")

PNG = (".png",)
# Files that a message names.
MAX_NAMED = 3


class FilePair(NamedTuple):
    """The files of one image.

    Attributes:
        annotation: The ground truth.
        prediction: The prediction.
    """

    annotation: Path
    prediction: Path


def find_files(
    folder: Path, suffix: str = "", extensions: tuple[str, ...] = PNG, *, folders: bool = True
) -> dict[str, Path]:
    """Find the files with some extensions in a folder and its sub-folders.

    Args:
        folder: The folder; links to folders are followed, hidden files left out.
        suffix: End of the names that count, before the extension, such as
            `_gtFine_labelTrainIds`.
        extensions: With the dot, such as `.png`.
        folders: Whether the sub-folders of a file are a part of its key; otherwise it is the name.

    Returns:
        Files by their path in the folder, or their name, without suffix and extension, in order.

    Raises:
        DataError: The folder is absent, or has no such file, or two of one key.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}' (looked at {folder.resolve()}).")
    endings = tuple(f"{suffix}{extension}" for extension in extensions)
    found: dict[str, Path] = {}
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if name.endswith(endings) and not name.startswith("."):
                path = Path(place, name)
                key = path.relative_to(folder).as_posix() if folders else name
                ending = next(ending for ending in endings if name.endswith(ending))
                key = key.removesuffix(ending)
                if key in found:
                    raise DataError(
                        f"'{found[key]}' and '{path}' are both the file of '{key}'; remove one."
                    )
                found[key] = path
    if not found:
        wanted = " or ".join(f"'*{ending}'" for ending in endings)
        raise DataError(f"'{folder}' and its sub-folders have no file {wanted}.")
    return dict(sorted(found.items()))


def pair_files(
    annotations: Path,
    predictions: Path,
    *,
    annotation_suffix: str = "",
    prediction_suffix: str = "",
    extensions: tuple[str, ...] = PNG,
    folders: bool = True,
) -> list[FilePair]:
    """Find the prediction for each annotation: the file of the same path in the other folder.

    Args:
        annotations: Folder of the ground truth.
        predictions: Folder of the predictions.
        annotation_suffix: As in `find_files`.
        prediction_suffix: Likewise.
        extensions: Likewise; those of a pair may differ.
        folders: Likewise; without, the two files of a pair may lie in sub-folders of their own.

    Returns:
        The pairs, in the order of their paths or names.

    Raises:
        DataError: A folder is absent or empty, or a file is without its counterpart.
    """
    truth = find_files(annotations, annotation_suffix, extensions, folders=folders)
    found = find_files(predictions, prediction_suffix, extensions, folders=folders)
    missing = [name for name in truth if name not in found]
    if missing:
        named = _first(missing, prediction_suffix, extensions)
        raise DataError(
            f"{len(missing):,} of {len(truth):,} annotations in '{annotations}' have no prediction"
            f" in '{predictions}', such as {named}. Every image is"
            f" measured: predict those too, under the same {'paths' if folders else 'names'}."
        )
    surplus = [name for name in found if name not in truth]
    if surplus:
        named = _first(surplus, annotation_suffix, extensions)
        raise DataError(
            f"{len(surplus):,} of {len(found):,} predictions in '{predictions}' have no annotation"
            f" in '{annotations}', such as {named}. Give the split"
            " that was predicted, or remove them."
        )
    return [FilePair(path, found[name]) for name, path in truth.items()]


def read_ahead(
    read: Callable[[Item], Value], items: Sequence[Item], workers: int
) -> Iterator[Value]:
    """Read items in order, by threads that are at most two items each ahead.

    Args:
        read: Reads one.
        items: The items.
        workers: Threads; 0 reads them one after the other.
    """
    if workers < 1:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Value]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def require_equal_sizes(
    prediction: tuple[int, ...], annotation: tuple[int, ...], pair: FilePair, remedy: str = ""
) -> None:
    """Refuse two files of different height or width.

    Args:
        prediction: Shape of the prediction, height and width first.
        annotation: Shape of the annotation.
        pair: The files, for the message.
        remedy: A sentence for the message, after a blank.

    Raises:
        DataError: They differ.
    """
    if prediction[:2] != annotation[:2]:
        raise DataError(
            f"'{pair.prediction}' has {prediction[0]} x {prediction[1]} pixels, but"
            f" '{pair.annotation}' {annotation[0]} x {annotation[1]}; a prediction must have the"
            f" size of its annotation.{remedy}"
        )


def _first(names: Sequence[str], suffix: str, extensions: tuple[str, ...]) -> str:
    extension = extensions[0] if len(extensions) == 1 else ".*"
    named = ", ".join(f"'{name}{suffix}{extension}'" for name in names[:MAX_NAMED])
    return named + (", ..." if len(names) > MAX_NAMED else "")
