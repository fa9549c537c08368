"""The training input of classification beside timm's, torchvision's and albumentations'.

The published transform stands beside timm's and torchvision's (`vision.benchmarks.input_sides`).
Crop and mirroring alone, and with changed colours, stand beside albumentations', which has no
RandAugment (`pip install '.[albumentations]'`), for both filters:

- its bicubic filter takes four pixels along each axis whatever the scale; ours without antialiasing
  is the same filter, up to rounding;
- its area filter averages what a pixel covers, and stands beside our antialiased bicubic one, which
  weighs more pixels. There is no other antialiased filter in OpenCV.

Changed colours are brightness, contrast and saturation by up to 0.4, always all three; ours draws
their order, as albumentations does. Each side first makes the whole of the first files square, and
these images are compared. A step of a side makes uint8 images (timm's: float) of all files and
stacks them in batches. The sides alternate, A B B A. CPU time is what to compare.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vision.benchmarks.albumentations_input import JITTER, Filter, crop_side
from vision.benchmarks.input_rows import Make, Side, add_alone, add_beside, compare_pixels
from vision.benchmarks.input_sides import (
    POLICY,
    SIZE,
    ours,
    published,
    timm_side,
    torchvision_side,
)
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.pictures import describe_pictures, write_pictures
from vision.benchmarks.results import Row, Table
from vision.data.images.read import decode_image, read_file
from vision.data.loading.sampling import EpochSampler, SeededSamples
from vision.data.transforms.crops import resize_crop, sample_crop
from vision.data.transforms.rand_augment import RandAugment
from vision.data.transforms.rng import SampleRng

WIDTH, HEIGHT = 500, 375
# Mean difference of a value in levels: of one filter, and of an area from our antialiased one.
SAME_FILTER, OTHER_FILTER = 0.5, 5.0
COMPARED = 4  # files whose images are compared


def stages() -> dict[str, Make]:
    """Parts of our pipeline, each including all parts before it."""
    return {
        "read the file": read_file,
        "+ decode whole": lambda path: decode_image(read_file(path)),
        "read, decode, crop, resize": ours(hflip=0.0),
        "+ flip": ours(),
        "+ RandAugment (all)": published(),
    }


def parts(paths: Sequence[str]) -> dict[str, Make]:
    """Steps of our pipeline by themselves, on the images of `paths` kept in memory."""
    files = {path: read_file(path) for path in paths}
    images = {path: decode_image(file) for path, file in files.items()}
    box = {
        path: sample_crop(i.shape[1], i.shape[2], 0.08, SampleRng()) for path, i in images.items()
    }
    squares = {path: resize_crop(images[path], box[path], SIZE, "bicubic") for path in paths}
    augment = RandAugment(POLICY)
    return {
        "decode whole": lambda path: decode_image(files[path]),
        "decode whole, Pillow": lambda path: np.asarray(Image.open(io.BytesIO(files[path].data))),
        "crop and resize": lambda path: resize_crop(images[path], box[path], SIZE, "bicubic"),
        "flip": lambda path: squares[path].flip(2),
        "RandAugment": lambda path: augment(squares[path].numpy(), SampleRng()),
    }


class Mapped(Dataset[Any]):
    """A side as a dataset, built in each worker, because timm's cannot be pickled."""

    def __init__(self, make: Callable[[], Make], paths: Sequence[str]) -> None:
        self.make = make
        self.paths = paths
        self.side: Make | None = None

    def __getitem__(self, index: int) -> Any:
        if self.side is None:
            self.side = self.make()
        return self.side(self.paths[index])

    def __len__(self) -> int:
        return len(self.paths)


def load_all(make: Callable[[], Make], paths: Sequence[str], workers: int) -> float:
    """Wall seconds per image of an epoch through a DataLoader with its workers started."""
    dataset: Dataset[Any] = Mapped(make, paths)
    sampler = None
    if make is published:
        dataset = SeededSamples(dataset, seed=0)
        sampler = EpochSampler(dataset, seed=0)
    loader = DataLoader(
        dataset, batch_size=32, num_workers=workers, sampler=sampler, persistent_workers=True
    )
    for _ in loader:
        pass
    start = time.perf_counter()
    for _ in loader:
        pass
    return (time.perf_counter() - start) / len(paths)


def compare_sides(paths: Sequence[str]) -> dict[str, float]:
    """Compare what all sides make of the first files.

    Returns:
        The largest difference of a value, as a share of 255, by the name of the peer.

    Raises:
        UnequalSidesError: They differ by more than their filters explain.
    """
    plain, aliased = ours(whole=True), ours(whole=True, antialias=False)
    sides: dict[str, tuple[Make, Make, float]] = {
        "timm": (plain, timm_side(whole=True), SAME_FILTER),
        "torchvision": (plain, torchvision_side(whole=True), SAME_FILTER),
    }
    if find_spec("albumentations"):
        sides["albumentations, area"] = (plain, crop_side(SIZE, "area", whole=True), OTHER_FILTER)
        cubic = crop_side(SIZE, "cubic", whole=True)
        sides["albumentations, cubic"] = (aliased, cubic, SAME_FILTER)
    return {
        name: max(
            compare_pixels(one(path), other(path), levels=levels, what=f"input and {name}'s")
            for path in paths[:COMPARED]
        )
        for name, (one, other, levels) in sides.items()
    }


def measure_input(
    *, images: int, quality: int, rounds: int, workers: int, threads: int = 1
) -> Table:
    """Measure our input beside the others, and its parts.

    Args:
        images: JPEG files of 500 x 375 pixels; a quarter as many of 1000 x 750.
        quality: JPEG quality, 1 to 100.
        rounds: Measured rounds over all files.
        workers: Processes of DataLoaders that are measured, too; 0 for none.
        threads: Threads of PyTorch and of OpenCV.

    Raises:
        UnequalSidesError: The images of a peer differ from ours.
    """
    torch.set_num_threads(threads)
    measured = Measurement("Training input of classification")
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images, WIDTH, HEIGHT, quality)
        measured.note(describe_pictures(paths, WIDTH, HEIGHT, quality))
        apart = compare_sides(paths)
        makers = {"timm": timm_side, "torchvision": torchvision_side}
        peers = {name: Side(make()) for name, make in makers.items()}
        label = "published transform"
        add_beside(
            measured, label, Side(published()), peers, paths, rounds=rounds, differences=apart
        )
        if find_spec("albumentations"):
            _add_plain(measured, paths, apart, rounds=rounds)
        add_alone(measured, stages(), paths, rounds=rounds)
        add_alone(measured, parts(paths), paths, rounds=rounds)
        if workers:
            _add_workers(measured, {"ours": published, **makers}, paths, workers)
        size = (2 * WIDTH, 2 * HEIGHT)
        large = write_pictures(Path(folder), max(1, images // 4), *size, quality)
        measured.note(describe_pictures(large, *size, quality))
        label, peers = "published transform, 1000 x 750", {"timm": Side(timm_side())}
        add_beside(measured, label, Side(published()), peers, large, rounds=rounds)
        whole = {f"{label}, decoded at full size": published(reduced=False)}
        add_alone(measured, whole, large, rounds=rounds)
    return measured.table()


def _add_plain(
    measured: Measurement, paths: Sequence[str], apart: Mapping[str, float], *, rounds: int
) -> None:
    """Crop and mirroring alone, and with changed colours, beside albumentations'."""
    filters: dict[str, tuple[bool, tuple[Filter, ...]]] = {
        "crop and mirroring, antialiased": (True, ("area", "cubic")),
        "crop and mirroring, four pixels each way": (False, ("cubic",)),
    }
    for label, (antialias, names) in filters.items():
        for jitter in (0.0, JITTER):
            mine = Side(ours(antialias=antialias, color_jitter=jitter))
            theirs = {
                f"albumentations, {name}": Side(crop_side(SIZE, name, jitter=jitter > 0))
                for name in names
            }
            add_beside(
                measured,
                label + (", colours" if jitter else ""),
                mine,
                theirs,
                paths,
                rounds=rounds,
                differences=None if antialias else apart,
            )


def _add_workers(
    measured: Measurement,
    makers: Mapping[str, Callable[[], Make]],
    paths: Sequence[str],
    workers: int,
) -> None:
    own, *others = (load_all(make, paths, workers) for make in makers.values())
    for name, seconds in zip([*makers][1:], others, strict=True):
        label = f"published transform, {workers} workers"
        measured.add(Row(label, "ms/image", 1e3 * own, 1e3 * seconds, name, rounds=1))
