"""Write a dataset of image files as tar shards in the WebDataset layout.

A sample is an image, `KEY.jpg` with the unchanged bytes of its file, and the members in the form of
its kind of task; KEY is a number and the file's name. The training set is shuffled, other splits
keep the order of the dataset, so that they are evaluated in the same batches. Equal files, options
and seeds give equal shards, byte by byte. A split is written into a hidden folder that is renamed
when it is complete; an interrupted run continues with the missing shards.
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

from vision.data.base.datamodule import DataModule
from vision.data.images.read import read_file
from vision.data.shards.contents import Contents
from vision.data.shards.datamodule import ShardedData
from vision.data.shards.folders import in_parallel
from vision.data.shards.forms import find_form
from vision.data.shards.index import ANNOTATIONS, ShardIndex
from vision.data.shards.scan import Scan, merge_scans, scan_shard
from vision.errors import ConfigError, DataError, MissingPackageError
from vision.extras import install_line
from vision.ops.seeds import mix
from vision.options import check_number

BLOCK = 512  # bytes: members of a tar are padded to a multiple, after a header of one block
RECORD = 20 * BLOCK  # the file is padded to a multiple
# A longer name would need a second header.
_LONGEST_STEM = 60


class Files(NamedTuple):
    """The samples of a split, and their division into shards.

    Attributes:
        contents: The samples.
        sizes: int64 `(N,)`, bytes of each image.
        order: int64 `(N,)`, the order in which they are written.
        bounds: Positions in `order` of the first sample of each shard, and the end.
    """

    contents: Contents
    sizes: np.ndarray
    order: np.ndarray
    bounds: list[int]


def make_shards(
    data: DataModule,
    out: str | os.PathLike[str],
    *,
    shard_bytes: int = 300_000_000,
    seed: int = 0,
    workers: int = 1,
) -> dict[str, ShardIndex]:
    """Write the splits of a dataset as shards.

    Args:
        data: A dataset of image files, of a kind with a `shard_form`.
        out: Parent of a folder for each split; these must not exist yet.
        shard_bytes: Largest length of a shard; one with a single image may be longer. Masks count
            with the length of their own files.
        seed: Seed of the order of the training set.
        workers: Number of shards that are written in parallel.

    Returns:
        The index of each split.

    Raises:
        ConfigError: An option is out of its range, the dataset does not read image files, or there
            are no shards for its kind.
        DataError: The dataset is not as expected, or `out` already has such a split.
        MissingPackageError: webdataset is not installed.
    """
    check_number("shard_bytes", shard_bytes, minimum=1)
    check_number("workers", workers, minimum=1)
    if isinstance(data, ShardedData):
        raise ConfigError(
            f"{type(data).__name__} reads shards already. Shards are made of image files: name the "
            "dataset that these shards were made of, or copy their folder."
        )
    form = find_form(data.kind or type(data).__name__)
    splits = {split: form.contents(data, split) for split in form.splits(data)}
    made = {}
    for split in splits:
        if (Path(out) / split).exists():
            raise DataError(
                f"'{Path(out, split).resolve()}' already exists. Delete it, or name another folder."
            )
    for split, contents in splits.items():
        files = _plan(contents, split, shard_bytes=shard_bytes, seed=seed)
        made[split] = _write_split(files, Path(out), split, workers)
    return made


def _plan(contents: Contents, split: str, *, shard_bytes: int, seed: int) -> Files:
    """Divide the files into shards, in order."""
    sizes = np.array([os.path.getsize(path) for path in contents.paths], dtype=np.int64)
    if not sizes.all():
        empty = contents.paths[int(sizes.argmin())]
        raise DataError(f"image '{empty}' is empty (0 bytes); copy or download it again.")
    order = np.arange(len(sizes))
    if split == "train":
        generator = torch.Generator().manual_seed(mix("shards", seed, split))
        order = torch.randperm(len(sizes), generator=generator).numpy()
    bounds, filled = [0], 0
    for position, number in enumerate(order.tolist()):
        parts = [int(sizes[number]), *contents.sizes(number)]
        sample = sum(BLOCK + _round_up(size, BLOCK) for size in parts)  # a header for each
        whole = _round_up(filled + sample + 2 * BLOCK, RECORD)  # two empty blocks are the end mark
        if whole > shard_bytes and position > bounds[-1]:
            bounds.append(position)
            filled = 0
        filled += sample
    return Files(contents, sizes, order, [*bounds, len(order)])


def _write_split(files: Files, out: Path, split: str, workers: int) -> ShardIndex:
    unfinished = out / f".{split}-{_digest(files)}"
    unfinished.mkdir(parents=True, exist_ok=True)
    write = partial(_write_shard, files, unfinished, split)
    scans = list(in_parallel(workers, write, range(len(files.bounds) - 1)))
    index = merge_scans(scans, files.contents.about)
    if files.contents.annotations is not None:
        (unfinished / ANNOTATIONS).write_bytes(files.contents.annotations)
    for name, content in index.encode().items():
        (unfinished / name).write_bytes(content)
    unfinished.rename(out / split)
    return index


def _write_shard(files: Files, folder: Path, split: str, shard: int) -> Scan:
    """Write a shard, unless an earlier run has, and read the places of its members back."""
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
        scan = scan_shard(written, str(path), form=find_form(files.contents.about.kind))
    expected = files.bounds[shard + 1] - files.bounds[shard]
    assert scan.shard.samples == expected, f"{path} has {scan.shard.samples} of {expected} samples"
    return scan


def _samples(files: Files, shard: int) -> Iterator[dict[str, Any]]:
    for position in range(*files.bounds[shard : shard + 2]):
        number = int(files.order[position])
        path = Path(files.contents.paths[number])
        data = read_file(path).data
        if len(data) != files.sizes[number]:
            raise DataError(f"'{path}' changes while it is read: {len(data):,} bytes now.")
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:_LONGEST_STEM]
        yield {
            "__key__": f"{position:08d}-{stem}",
            path.suffix.lower().removeprefix("."): data,
            **files.contents.members(number),
        }


def _digest(files: Files) -> str:
    """Digest of everything that the shards depend on."""
    digest = hashlib.sha256(files.contents.state())
    for array in (files.sizes, files.order, np.array(files.bounds)):
        digest.update(array.tobytes())
    for path in files.contents.paths:
        digest.update(f"{path}\0{os.stat(path).st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:12]


def _round_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _writer() -> Any:
    try:
        from webdataset import TarWriter
    except ImportError:
        raise MissingPackageError(
            f"writing shards needs webdataset: {install_line('streaming')}"
        ) from None
    return TarWriter
