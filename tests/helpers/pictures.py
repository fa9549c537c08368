"""Pictures for the tests of the data pipeline."""

from io import BytesIO

import numpy as np
from PIL import Image


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise with the falling spectrum of a photograph and a hard edge, uint8 `(H, W, 3)`."""
    generator = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    strength = np.maximum(np.hypot(rows, columns), 1 / max(width, height)) ** -1.2
    planes = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * generator.random(strength.shape))
        plane = np.fft.irfft2(strength * phases, s=(height, width))
        planes.append(plane / (plane.std() or 1))
    light, warm, cool = planes
    pixels = np.stack([light + warm / 3, light - warm / 4, light + cool / 3], axis=-1) * 40 + 120
    pixels[height // 3 : height // 2, width // 4 :] += 70
    return np.clip(pixels, 0, 255).astype(np.uint8)


def planes(pixels: np.ndarray | Image.Image) -> np.ndarray:
    """`(H, W, 3)` to contiguous `(3, H, W)`."""
    return np.ascontiguousarray(np.asarray(pixels).transpose(2, 0, 1))


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    """Encode as JPEG, with Pillow's options."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", **{"quality": 92, **options})
    return buffer.getvalue()
