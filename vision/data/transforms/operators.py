"""Colour and sharpness operators, equal to Pillow's.

Images are uint8 arrays `(3, H, W)` of contiguous RGB planes; each function returns a new one.
Operators that depend only on a pixel's own value use a table of 256 entries. A `factor` is as in
Pillow: 0 removes the property that the function is named after, 1 keeps the image, more
exaggerates.
"""

import numpy as np
from PIL import Image

LEVELS = np.arange(256)
# Weights of red, green and blue in luma (ITU-R BT.601), in 1/65536, as Pillow rounds them.
LUMA = (19595, 38470, 7471)
SHARES = tuple(np.float32(weight / 2**16) for weight in LUMA)


def auto_contrast(image: np.ndarray) -> np.ndarray:
    """Stretch each channel to the full range."""
    tables = []
    for plane in image:
        low, high = int(plane.min()), int(plane.max())
        if low >= high:
            tables.append(LEVELS)
            continue
        scale = 255 / (high - low)
        tables.append(np.clip(LEVELS * scale - low * scale, 0, 255))
    return _look_up_each(image, tables)


def equalize(image: np.ndarray) -> np.ndarray:
    """Equalise each channel's histogram by a table."""
    return _look_up_each(image, [_equalizing_table(plane) for plane in image])


def invert(image: np.ndarray) -> np.ndarray:
    """Replace each value v by 255 - v."""
    return 255 - image


def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    """Keep the highest bits of each value, 0 to 8; with none the image is black."""
    return image & np.uint8(256 - 2 ** (8 - bits))


def solarize(image: np.ndarray, threshold: int) -> np.ndarray:
    """Invert the values from `threshold` on."""
    return look_up(image, np.where(threshold <= LEVELS, 255 - LEVELS, LEVELS))


def solarize_add(image: np.ndarray, amount: int) -> np.ndarray:
    """Add to the values below 128."""
    return look_up(image, np.where(LEVELS < 128, np.minimum(LEVELS + amount, 255), LEVELS))


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale all values."""
    return look_up(image, brightness_table(factor))


def brightness_table(factor: float) -> np.ndarray:
    """What `brightness` makes of each value, uint8 `(256,)`."""
    return _blend(0, LEVELS, factor).astype(np.uint8)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale the distance of all values from the image's mean luma."""
    return look_up(image, contrast_table(image, factor))


def contrast_table(image: np.ndarray, factor: float) -> np.ndarray:
    """What `contrast` makes of each value of an image, uint8 `(256,)`."""
    grey = luma(image)
    # Sums of so few values fit into the type that they have, in which NumPy adds several at once.
    kind = np.uint32 if grey.size <= 2**24 else np.int64
    mean = int(int(grey.sum(dtype=kind)) / grey.size + 0.5)
    return _blend(mean, LEVELS, factor).astype(np.uint8)


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale the distance of each pixel from its luma."""
    values = image.astype(np.float32)
    # Multiples of 1 / 65536 below 256 have 24 bits: float32 holds each of them, and every sum.
    grey = values[0] * SHARES[0]
    grey += values[1] * SHARES[1]
    grey += values[2] * SHARES[2]
    grey += np.float32(0.5)
    np.floor(grey, out=grey)
    return _blend_into(grey, values, factor)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale the distance of each pixel from a smoothed image; the border stays unchanged."""
    if min(image.shape[1:]) < 3:
        return image.copy()
    wide = image.astype(np.uint16)
    columns = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    # The kernel is 1 with 5 in its middle, divided by 13; its result is rounded.
    total = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]
    total += 4 * wide[:, 1:-1, 1:-1]
    total *= 2
    total += 13
    total //= 26
    values = image[:, 1:-1, 1:-1].astype(np.float32)
    result = image.copy()
    result[:, 1:-1, 1:-1] = _blend_into(total.astype(np.float32), values, factor)
    return result


def luma(image: np.ndarray) -> np.ndarray:
    """Grey values as Pillow rounds them, uint32 `(H, W)`."""
    grey, *others = image.astype(np.uint32)
    grey *= LUMA[0]
    for plane, weight in zip(others, LUMA[1:], strict=True):
        plane *= weight
        grey += plane
    grey += 0x8000
    grey >>= 16
    return grey


def _blend(start: np.ndarray | int, end: np.ndarray, factor: float) -> np.ndarray:
    """The point at `factor` between two values, clipped to 0..255; float32."""
    begin = np.asarray(start, dtype=np.float32)
    result = np.subtract(end, begin, dtype=np.float32)
    result *= np.float32(factor)
    result += begin
    return np.clip(result, 0, 255, out=result)


def _blend_into(start: np.ndarray, end: np.ndarray, factor: float) -> np.ndarray:
    """The same of float32 arrays, truncated to uint8; `end` is overwritten; factors 0 to 64."""
    end -= start
    end *= np.float32(factor)
    end += start
    if factor <= 1:  # between the two, so that nothing is clipped
        return end.astype(np.uint8)
    # NumPy clips integers several times as fast as floats.
    whole = end.astype(np.int16)
    return np.clip(whole, 0, 255, out=whole).astype(np.uint8)


def look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each value of an image of any shape by that of a table, `(256,)` in 0..255."""
    # Faster than indexing the table by the image, which makes 64-bit indices first. A bytearray
    # makes the array writable.
    return _as_image(bytearray(image).translate(table.astype(np.uint8).tobytes()), image)


def _look_up_each(image: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    values = bytearray()
    for plane, table in zip(image, tables, strict=True):
        values += bytearray(plane).translate(table.astype(np.uint8).tobytes())
    return _as_image(values, image)


def _as_image(values: bytearray, like: np.ndarray) -> np.ndarray:
    return np.frombuffer(values, dtype=np.uint8).reshape(like.shape)


def _equalizing_table(plane: np.ndarray) -> np.ndarray:
    counts = np.array(Image.fromarray(plane).histogram())
    used = counts[counts > 0]
    # The pixels of the brightest value do not count for the size of a step.
    step = (used.sum() - used[-1]) // 255
    if len(used) < 2 or step == 0:
        return LEVELS
    before = np.cumsum(counts) - counts
    return np.minimum((step // 2 + before) // step, 255)
