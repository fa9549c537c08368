"""Unpack the official archives of ImageNet into the folders that `ImageNet` reads.

Archives of archives are streamed: the inner ones are never written to disk. A class appears under
its name only when it is complete, so that an interrupted run can be restarted: it continues with
the first missing class.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vision.data.files.finding import find_images, list_folders
from vision.data.files.safe_tar import Stream, iter_files, open_archive
from vision.data.formats.imagenet_labels import (
    CLASSES_1K,
    DEVKIT,
    GROUND_TRUTH,
    META,
    TRAIN_1K,
    VAL_1K,
    WNID,
    Devkit,
    read_devkit,
    val_wnid,
)
from vision.errors import DataError, listed, suggest
from vision.wording import counted

Report = Callable[[str], None]

# Official file name -> its role.
ARCHIVES = {
    "ILSVRC2012_devkit_t12.tar.gz": "devkit",
    "ILSVRC2012_img_train.tar": "train",
    "ILSVRC2012_img_val.tar": "val",
    "winter21_whole.tar.gz": "22k",
    "fall11_whole.tar": "22k",
}
# Classes and images of each release of ImageNet-22k: image-net.org's figures for fall 2011, and
# "ImageNet-21K Pretraining for the Masses", Ridnik et al., 2021, for winter 2021.
RELEASES = {
    "fall11_whole.tar": (21_841, 14_197_122),
    "winter21_whole.tar.gz": (19_167, 13_153_500),
}
_COPY_BYTES = 1 << 20
_MAX_CLASS_BYTES = 2**35  # of the archive of a class


class ArchiveCheck(NamedTuple):
    """Result of the check of a folder of class folders.

    Attributes:
        counts: Number of images of each class.
        problems: Missing or surplus classes and images, a line each.
    """

    counts: Counter[str]
    problems: list[str]


def role_of(archive: Path) -> str:
    """The role of an archive, by its official name: `"devkit"`, `"train"`, `"val"` or `"22k"`.

    Raises:
        DataError: The name is not an official one.
    """
    if archive.name not in ARCHIVES:
        raise DataError(
            f"'{archive}' does not have the name of an official archive of ImageNet."
            f"{suggest(archive.name, ARCHIVES)} Known names: {', '.join(ARCHIVES)}."
        )
    return ARCHIVES[archive.name]


def unpack_devkit(archive: Path, root: Path) -> None:
    """Unpack the two files of the development kit that are needed.

    Args:
        archive: `ILSVRC2012_devkit_t12.tar.gz`.
        root: Parent of `ILSVRC2012_devkit_t12/data`, where they are written.

    Raises:
        DataError: The archive is damaged or has other content, or the disk cannot be written to.
    """
    target = root / DEVKIT / "data"
    _make(target)
    absent = {META, GROUND_TRUTH}
    with open_archive(archive) as opened:
        for name, content in iter_files(opened):
            if name in {f"{DEVKIT}/data/{file}" for file in absent}:
                file = name.rpartition("/")[2]
                absent.remove(file)
                part = target / f".{file}.part"
                part.unlink(missing_ok=True)
                _write(content, part)
                part.replace(target / file)
    if absent:
        raise DataError(f"'{archive}' has no '{DEVKIT}/data/{min(absent)}'. Download it again.")
    read_devkit(target)


def find_devkit(root: Path) -> Devkit | None:
    """The development kit in a dataset's folder; None if it is absent."""
    folder = root / DEVKIT / "data"
    return read_devkit(folder) if folder.is_dir() else None


def unpack_classes(
    archive: Path, folder: Path, *, total: int | None = None, report: Report | None = None
) -> None:
    """Unpack an archive of archives, one of images for each class.

    Args:
        archive: `ILSVRC2012_img_train.tar`, `fall11_whole.tar` or `winter21_whole.tar.gz`.
        folder: Parent of the class folders.
        total: Expected number of classes, for the report.
        report: Called with a line about the progress after each class.

    Raises:
        DataError: The archive is damaged or has other content, or the disk cannot be written to.
    """
    _make(folder)
    images = 0
    with open_archive(archive) as opened:
        files = iter_files(opened, max_bytes=_MAX_CLASS_BYTES)
        for number, (name, content) in enumerate(files, 1):
            wnid = name.rpartition("/")[2].removesuffix(".tar")
            if not name.endswith(".tar") or not WNID.fullmatch(wnid):
                raise DataError(
                    f"'{archive}' has the file '{name}', expected archives of classes such as "
                    "'n01440764.tar'."
                )
            if not (folder / wnid).is_dir():
                with _whole(folder / wnid) as part:
                    images += _unpack_images(content, part)
            if report:
                of = f" of {total:,}" if total else ""
                report(
                    f"{archive.name}: class {number:,}{of}, {wnid}, "
                    f"{counted(images, 'images')} unpacked"
                )


def _unpack_images(content: Stream, folder: Path) -> int:
    count = 0
    for name, image in iter_files(content):
        if "/" in name or not name.upper().endswith(".JPEG"):
            raise DataError(f"{content.place} has the file '{name}', expected images (*.JPEG).")
        _write(image, folder / name)
        count += 1
    return count


def unpack_val(
    archive: Path, folder: Path, devkit: Devkit, *, report: Report | None = None
) -> None:
    """Unpack the validation images, sorted into class folders.

    Args:
        archive: `ILSVRC2012_img_val.tar`.
        folder: Parent of the class folders; if it exists, nothing is done.
        devkit: The classes of the images.
        report: Called with a line about the progress now and then.

    Raises:
        DataError: The archive is damaged or has other content, or the disk cannot be written to.
    """
    if folder.is_dir():
        return
    with _whole(folder) as part, open_archive(archive) as opened:
        for number, (name, content) in enumerate(iter_files(opened), 1):
            target = part / val_wnid(name, devkit, f"'{archive}'")
            _make(target)
            _write(content, target / name)
            if report and number % 100 == 0:
                report(f"{archive.name}: image {number:,} of {len(devkit.val_wnids):,}")


def check_train(folder: Path, devkit: Devkit | None) -> ArchiveCheck:
    """Compare the training images with the official numbers."""
    expected = devkit.train_counts if devkit else None
    return _check(folder, expected, classes=CLASSES_1K, images=TRAIN_1K)


def check_val(folder: Path, devkit: Devkit | None) -> ArchiveCheck:
    """Compare the validation images, sorted into class folders, with the official numbers."""
    expected = Counter(map(str, devkit.val_wnids)) if devkit else None
    return _check(folder, expected, classes=CLASSES_1K, images=VAL_1K)


def check_release(folder: Path, release: str) -> ArchiveCheck:
    """Compare ImageNet-22k with the published numbers of a release, a key of `RELEASES`."""
    classes, images = RELEASES[release]
    return _check(folder, None, classes=classes, images=images)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill, renamed to its name if there was no error and it is not empty."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by an interrupted run
    _make(part)
    yield part
    with _writing(folder):
        if any(part.iterdir()):
            part.rename(folder)
        else:
            part.rmdir()


def _make(folder: Path) -> None:
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _write(content: Stream, path: Path) -> None:
    with _writing(path), path.open("xb") as file:
        while data := content.read(_COPY_BYTES):
            file.write(data)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write '{path}': {error.strerror}. Fix that and start again: complete classes "
            "are kept."
        ) from error


def _check(
    folder: Path, expected: Mapping[str, int] | None, *, classes: int, images: int
) -> ArchiveCheck:
    """Compare the counts by class where they are known, else the totals."""
    names = [name for name in list_folders(folder) if WNID.fullmatch(name)]
    counts = Counter({name: len(find_images(folder / name)) for name in names})
    problems = []
    if expected is None:
        if (len(counts), counts.total()) != (classes, images):
            problems = [
                f"{counted(len(counts), 'classes')} and {counted(counts.total(), 'images')}; "
                f"the official numbers are {classes:,} and {images:,}"
            ]
    else:
        absent = sorted(expected.keys() - counts.keys())
        if absent:
            problems.append(f"{counted(len(absent), 'classes')} missing: {listed(absent)}")
        wrong = [name for name in names if counts[name] != expected.get(name, 0)]
        details = [f"{name} has {counts[name]} of {expected.get(name, 0)}" for name in wrong]
        if wrong:
            problems.append(
                f"{counted(len(wrong), 'classes')} with another number of images: "
                f"{listed(details)}; delete their folders and unpack again"
            )
    return ArchiveCheck(counts, problems)
