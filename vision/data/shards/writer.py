"""Write a folder of images as tar shards in the WebDataset layout.

A sample is two members, `KEY.cls` with the number of its class and `KEY.jpg` with the bytes of the
image file as they are; KEY is a number and the file's name. The shards of the same files, options
and seed are the same, byte by byte. A split is written into a hidden folder that gets its name when
it is complete; a run that was interrupted goes on with the shards that are missing.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vision.data.datasets.image_folder import FolderSamples, ImageFolder
from vision.data.images.read import read_file
from vision.data.shards.folders import in_parallel
from vision.data.shards.index import ShardIndex
from vision.data.shards.scan import LABEL, Scan, merge_scans, scan_shard
from vision.errors import DataError, MissingPackageError
from vision.ops.seeds import mix
from vision.options import check_number

BLOCK = 512  # bytes: contents of a tar are filled up to a multiple, after a header of one
RECORD = 20 * BLOCK  # the file is filled up to a multiple
# A longer name would need a second header.
_LONGEST_STEM = 60


class Files(NamedTuple):
    """The images of a split.

    Attributes:
        samples: Paths and labels.
        sizes: int64 `(N,)`, bytes of each file.
        order: int64 `(N,)`, the order in which they are written.
        bounds: Positions in `order` where the shards begin, and the end.
    """

    samples: FolderSamples
    sizes: np.ndarray
    order: np.ndarray
    bounds: list[int]


def make_shards(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    shard_bytes: int = 300_000_000,
    val_fraction: float = 0.2,
    seed: int = 0,
    workers: int = 1,
) -> dict[str, ShardIndex]:
    """Write the images of class folders as shards.

    Args:
        source: A folder as `ImageFolder` reads it: `{train,val[,test]}/CLASS/*`, or `CLASS/*`.
        out: A folder that gets a folder for each split; these must not be there yet.
        shard_bytes: Largest length of a shard; one with a single image may be longer.
        val_fraction: Share of each class that goes to `val`, where `source` has no splits.
        seed: Seed of the order, and of the choice for `val`.
        workers: Shards that are written at a time.

    Returns:
        The index of each split.

    Raises:
        ConfigError: An option is out of its range.
        DataError: `source` is not as expected, or `out` has such a split already.
        MissingPackageError: webdataset is not installed.
    """
    check_number("shard_bytes", shard_bytes, minimum=1)
    check_number("workers", workers, minimum=1)
    folder = ImageFolder(root=source, val_fraction=val_fraction, seed=seed, num_workers=0)
    splits = _read_splits(folder)
    made = {}
    for split in splits:
        if (Path(out) / split).exists():
            raise DataError(
                f"'{Path(out, split).resolve()}' is there already. Delete it, or name another "
                "folder."
            )
    for split, samples in splits.items():
        files = _plan(samples, split, shard_bytes=shard_bytes, seed=seed)
        made[split] = _write_split(files, Path(out), split, folder.class_names, workers)
    return made


def _read_splits(folder: ImageFolder) -> dict[str, FolderSamples]:
    folder.setup("fit")
    splits: dict[str, Any] = {"train": folder.train_dataset, "val": folder.val_dataset}
    if folder.has_splits and (folder.root / "test").is_dir():
        folder.setup("test")
        splits["test"] = folder.test_dataset
    return splits


def _plan(samples: FolderSamples, split: str, *, shard_bytes: int, seed: int) -> Files:
    """Which files go into which shard, and in what order."""
    sizes = np.array([os.path.getsize(path) for path in samples.paths], dtype=np.int64)
    if not sizes.all():
        empty = samples.paths[int(sizes.argmin())]
        raise DataError(f"image '{empty}' is empty (0 bytes); copy or download it again.")
    generator = torch.Generator().manual_seed(mix("shards", seed, split))
    order = torch.randperm(len(sizes), generator=generator).numpy()
    bounds, filled = [0], 0
    for position, size in enumerate(sizes[order].tolist()):
        sample = 3 * BLOCK + _round_up(size, BLOCK)  # two headers, and a block for the label
        whole = _round_up(filled + sample + 2 * BLOCK, RECORD)  # two empty blocks are the end mark
        if whole > shard_bytes and position > bounds[-1]:
            bounds.append(position)
            filled = 0
        filled += sample
    return Files(samples, sizes, order, [*bounds, len(order)])


def _write_split(
    files: Files, out: Path, split: str, class_names: tuple[str, ...], workers: int
) -> ShardIndex:
    unfinished = out / f".{split}-{_digest(files)}"
    unfinished.mkdir(parents=True, exist_ok=True)
    write = partial(_write_shard, files, unfinished, split)
    scans = list(in_parallel(workers, write, range(len(files.bounds) - 1)))
    index = merge_scans({split: scans}, class_names)[split]
    for name, content in index.encode().items():
        (unfinished / name).write_bytes(content)
    unfinished.rename(out / split)
    return index


def _write_shard(files: Files, folder: Path, split: str, shard: int) -> Scan:
    """Write a shard, unless an earlier run has, and read back where everything lies."""
    path = folder / f"{split}-{shard:06d}.tar"
    if not path.exists():
        part = path.with_suffix(".part")
        with (
            part.open("wb") as file,
            _writer()(file, encoder=False, user="", group="", mtime=0) as writer,
        ):
            for sample in _samples(files, shard):
                writer.write(sample)
        part.replace(path)
    with path.open("rb") as written:
        scan = scan_shard(written, str(path))
    expected = files.bounds[shard + 1] - files.bounds[shard]
    assert scan.shard.samples == expected, f"{path} has {scan.shard.samples} of {expected} samples"
    return scan


def _samples(files: Files, shard: int) -> Iterator[dict[str, Any]]:
    for position in range(*files.bounds[shard : shard + 2]):
        number = int(files.order[position])
        path = Path(files.samples.paths[number])
        data = read_file(path).data
        if len(data) != files.sizes[number]:
            raise DataError(f"'{path}' changes while it is read: {len(data):,} bytes now.")
        assert files.samples.labels is not None, "the samples of a class folder have labels"
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:_LONGEST_STEM]
        yield {
            "__key__": f"{position:08d}-{stem}",
            path.suffix.lower().removeprefix("."): data,
            LABEL: str(files.samples.labels[number]).encode(),
        }


def _digest(files: Files) -> str:
    """Stands for everything that the shards depend on."""
    digest = hashlib.sha256()
    assert files.samples.labels is not None, "the samples of a class folder have labels"
    for array in (files.samples.labels, files.sizes, files.order, np.array(files.bounds)):
        digest.update(array.tobytes())
    for path in files.samples.paths:
        digest.update(f"{path}\0{os.stat(path).st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def _round_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _writer() -> Any:
    try:
        from webdataset import TarWriter
    except ImportError:
        raise MissingPackageError(
            "writing shards needs webdataset: pip install webdataset."
        ) from None
    return TarWriter
