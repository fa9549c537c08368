"""JPEG files that benchmarks of the input read, the same ones every time."""

import statistics
from pathlib import Path

import numpy as np
from PIL import Image


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
    """Write JPEG files of pictures.

    Args:
        folder: Where.
        count: Number of files.
        width: Of each in pixels.
        height: Of each in pixels.
        quality: JPEG quality, 1 to 100.

    Returns:
        Their paths.
    """
    generator = np.random.default_rng(0)
    paths = []
    for i in range(count):
        path = folder / f"{width}_{i:04d}.jpg"
        picture(generator, width, height).save(path, quality=quality)
        paths.append(str(path))
    return paths


def describe_pictures(paths: list[str], width: int, height: int, quality: int) -> str:
    """One line about files that `write_pictures` wrote; the arguments are its own."""
    average = statistics.mean(Path(path).stat().st_size for path in paths) / 1000
    return (
        f"{len(paths)} JPEG files of {width} x {height} pixels, quality {quality}, "
        f"{average:.0f} kB on average."
    )
