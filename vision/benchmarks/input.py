"""The training input of classification against timm's, torchvision's and albumentations'.

Ours, timm's and torchvision's make the same training images for ImageNet from the same files:
a random crop at 224 pixels with antialiased bicubic resizing, mirroring and RandAugment
(rand-m9-mstd0.5-inc1). timm's side goes on to normalise and erase, as its loader does without a
prefetcher; ours and torchvision's end at uint8. Crop and mirroring alone, and with changed colours,
stand beside albumentations', which has no RandAugment (`pip install '.[albumentations]'`). One
process and one thread; the sides alternate, A B B A; times are CPU time, not wall time, so that
other programs disturb them less. A ratio is the median of the rounds', with its 95 % interval.
"""

import importlib.util
import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vision.benchmarks.albumentations_input import JITTER, crop_side
from vision.benchmarks.timing import median_ratio, print_versions, ratio_interval, times
from vision.data.images.read import decode_image, read_file
from vision.data.loading.sampling import EpochSampler, SeededSamples
from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.crops import resize_crop, sample_crop
from vision.data.transforms.options import Augment
from vision.data.transforms.rand_augment import RandAugment
from vision.data.transforms.rng import SampleRng

SIZE = 224
POLICY = "rand-m9-mstd0.5-inc1"
Side = Callable[[str], Any]


def picture(generator: np.random.Generator, width: int, height: int) -> Image.Image:
    """A texture with a natural image's falling spectrum, and discs for edges."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    strength = np.maximum(np.hypot(rows, columns), 1 / max(width, height)) ** -1.1
    planes = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * generator.random(strength.shape))
        plane = np.fft.irfft2(strength * phases, s=(height, width))
        planes.append(plane / plane.std())
    light, warm, cool = planes
    pixels = np.stack([light + warm / 4, light - warm / 10 + cool / 10, light - cool / 4], axis=-1)
    pixels = pixels * 45 + generator.integers(90, 160)
    vertical, horizontal = np.mgrid[:height, :width]
    for _ in range(8):
        x, y = generator.random(2) * [width, height]
        radius = generator.uniform(0.05, 0.3) * height
        inside = (horizontal - x) ** 2 + (vertical - y) ** 2 < radius**2
        pixels[inside] += generator.normal(0, 40, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_pictures(folder: Path, count: int, width: int, height: int, quality: int) -> list[str]:
    """Write JPEG files, the same ones every time, and print their average size."""
    generator = np.random.default_rng(0)
    paths = []
    for i in range(count):
        path = folder / f"{width}_{i:04d}.jpg"
        picture(generator, width, height).save(path, quality=quality)
        paths.append(str(path))
    average = statistics.mean(Path(path).stat().st_size for path in paths) / 1000
    size = f"{width} x {height}, quality {quality}"
    print(f"{count} JPEG files of {size}, {average:.0f} kB on average")
    return paths


def ours(*, reduced: bool = True, policy: str | None = POLICY) -> Side:
    """Our pipeline."""
    transform = TrainTransform(SIZE, Augment(rand_augment=policy, reduced_decode=reduced))
    return lambda path: transform.decode(read_file(path))


def timm_side() -> Side:
    """Pillow as timm's `ImageDataset` uses it, then its `create_transform`."""
    from timm.data import create_transform

    transform: Any = create_transform(
        SIZE,
        is_training=True,
        auto_augment=POLICY,
        interpolation="bicubic",
        re_prob=0.25,
        re_mode="pixel",
    )
    _fix_posterize(transform.transforms[2])
    return lambda path: transform(Image.open(path).convert("RGB"))


def torchvision_side() -> Side:
    """`ImageFolder`'s loader, torchvision's crop and flip, and timm's RandAugment."""
    from timm.data.auto_augment import rand_augment_transform
    from torchvision.datasets.folder import pil_loader
    from torchvision.transforms import v2

    options = {"img_mean": (124, 116, 104), "interpolation": Image.Resampling.BICUBIC}
    augment = rand_augment_transform(POLICY, options)
    _fix_posterize(augment)
    crop = v2.RandomResizedCrop(SIZE, interpolation=v2.InterpolationMode.BICUBIC, antialias=True)
    transform = v2.Compose([crop, v2.RandomHorizontalFlip(), augment, v2.PILToTensor()])
    return lambda path: transform(pil_loader(path))


def _fix_posterize(rand_augment: Any) -> None:
    """Keep one bit where timm asks Pillow for none, which Pillow 13 refuses."""
    for operator in rand_augment.ops:
        if operator.name.startswith("Posterize"):
            argument = operator.level_fn
            operator.level_fn = lambda *given, of=argument: (max(1, of(*given)[0]),)


def compare(sides: dict[str, Side], paths: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Processor seconds per image of each side in each round; the sides alternate."""

    def step(side: Side) -> Callable[[], None]:
        seeds = itertools.count()

        def make_all() -> None:
            torch.manual_seed(next(seeds))
            for path in paths:
                side(path)

        return make_all

    steps = [step(side) for side in sides.values()]
    found = times(steps, torch.device("cpu"), rounds=rounds, warmup=1)
    return {
        name: [value / len(paths) for value in measured.processor]
        for name, measured in zip(sides, found, strict=True)
    }


def stages() -> dict[str, Side]:
    """Parts of our pipeline, each including all parts before it."""

    def decode_crop(path: str) -> Any:
        transform = TrainTransform(SIZE, Augment(hflip=0.0))
        return transform.decode(read_file(path))

    return {
        "read the file": read_file,
        "+ decode whole": lambda path: decode_image(read_file(path)),
        "read, decode, crop, resize": decode_crop,
        "+ flip": ours(policy=None),
        "+ RandAugment (all)": ours(),
    }


def parts(paths: Sequence[str]) -> dict[str, Side]:
    """Steps of our pipeline by themselves, on the images of `paths` kept in memory."""
    files = {path: read_file(path) for path in paths}
    images = {path: decode_image(file) for path, file in files.items()}
    box = {
        path: sample_crop(i.shape[1], i.shape[2], 0.08, SampleRng()) for path, i in images.items()
    }
    squares = {path: resize_crop(images[path], box[path], SIZE, "bicubic") for path in paths}
    planes = {path: np.ascontiguousarray(square.numpy()) for path, square in squares.items()}
    augment = RandAugment(POLICY)
    return {
        "decode whole": lambda path: decode_image(files[path]),
        "decode whole, Pillow": lambda path: np.asarray(Image.open(io.BytesIO(files[path].data))),
        "crop and resize": lambda path: resize_crop(images[path], box[path], SIZE, "bicubic"),
        "to planes": lambda path: np.ascontiguousarray(squares[path].numpy()),
        "flip": lambda path: torch.from_numpy(planes[path]).flip(2),
        "RandAugment": lambda path: augment(planes[path], SampleRng()),
    }


class Mapped(Dataset[Any]):
    """A side as a dataset, built in each worker, because timm's cannot be pickled."""

    def __init__(self, make: Callable[[], Side], paths: Sequence[str]) -> None:
        self.make = make
        self.paths = paths
        self.side: Side | None = None

    def __getitem__(self, index: int) -> Any:
        if self.side is None:
            self.side = self.make()
        return self.side(self.paths[index])

    def __len__(self) -> int:
        return len(self.paths)


def load_all(make: Callable[[], Side], paths: Sequence[str], workers: int) -> float:
    """Wall seconds per image of an epoch through a DataLoader with its workers started."""
    dataset: Dataset[Any] = Mapped(make, paths)
    sampler = None
    if make is ours:
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


def report(seconds: dict[str, list[float]], *, base: str | None = None) -> None:
    """Print images per second, milliseconds, and how many times faster than each `base` is.

    Args:
        seconds: Those per image of each side in each round.
        base: The side that ratios are over; None prints none.
    """
    for name, measured in seconds.items():
        value = statistics.median(measured)
        line = f"{name:36} {1 / value:10.0f} images/s {1e3 * value:8.3f} ms"
        if base is not None:
            line += f" {median_ratio(seconds[base], measured):8.2f}"
            if name != base and len(measured) > 1:
                line += " ({:.2f} to {:.2f})".format(*ratio_interval(seconds[base], measured))
        print(line)


def plain_sides() -> dict[str, Side]:
    """Crop and mirroring alone, and with changed colours, ours and those of albumentations."""
    crop = TrainTransform(SIZE)
    jitter = TrainTransform(SIZE, Augment(color_jitter=JITTER))
    return {
        "ours": lambda path: crop.decode(read_file(path)),
        "albumentations, area": crop_side(SIZE, "area"),
        "albumentations, cubic": crop_side(SIZE, "cubic"),
        "ours, jitter": lambda path: jitter.decode(read_file(path)),
        "albumentations, area, jitter": crop_side(SIZE, "area", jitter=True),
        "albumentations, cubic, jitter": crop_side(SIZE, "cubic", jitter=True),
    }


def report_plain(seconds: dict[str, list[float]]) -> None:
    """Print the sides of `plain_sides`, each beside ours of the same work."""
    for base, jitters in (("ours", False), ("ours, jitter", True)):
        same = {name: found for name, found in seconds.items() if ("jitter" in name) == jitters}
        report(same, base=base)


def measure_input(*, images: int, quality: int, rounds: int, workers: int) -> None:
    """Print all tables.

    Args:
        images: JPEG files of 500 x 375 pixels; a quarter as many of 1000 x 750.
        quality: JPEG quality, 1 to 100.
        rounds: Measured rounds over all files.
        workers: Processes of DataLoaders that are measured, too; 0 for none.
    """
    torch.set_num_threads(1)
    print_versions()
    with tempfile.TemporaryDirectory() as name:
        paths = write_pictures(Path(name), images, 500, 375, quality)
        makers: dict[str, Callable[[], Side]] = {
            "ours": ours,
            "timm": timm_side,
            "ImageFolder": torchvision_side,
        }
        sides = {label: make() for label, make in makers.items()}
        print("one thread; the last column is each side's time over ours")
        report(compare(sides, paths, rounds), base="ours")
        if importlib.util.find_spec("albumentations"):
            print("crop and mirroring alone, and with jitter of the colours")
            report_plain(compare(plain_sides(), paths, rounds))
        print("our stages, each with all stages before it")
        report(compare(stages(), paths, rounds))
        print("our steps by themselves")
        report(compare(parts(paths), paths, rounds))
        if workers:
            print(f"{workers} workers, by the wall clock")
            loaded = {label: load_all(make, paths, workers) for label, make in makers.items()}
            report({label: [seconds] for label, seconds in loaded.items()}, base="ours")
        count = max(1, images // 4)
        paths = write_pictures(Path(name), count, 1000, 750, quality)
        large = {"ours": ours(), "ours, full decode": ours(reduced=False), "timm": timm_side()}
        report(compare(large, paths, rounds), base="ours")
