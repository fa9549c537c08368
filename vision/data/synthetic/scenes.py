"""Scenes of real handwritten digits that overlap on a textured background.

Each digit is a sticker: its bright stroke on a ground that is darker than any background. The
ground, the filled and slightly thickened outline of the stroke, is the digit's mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.data.synthetic.outlines import extent, fill_outlines, trace_outlines
from vision.data.synthetic.textures import hsv_color, luminance, make_texture
from vision.errors import ConfigError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MIN_SIZE = 96
# Share of the long side; at `MIN_SIZE` the largest rotated digit fits into it.
MIN_SHORT_SIDE = 0.8
HEIGHTS = (24.0, 56.0)  # of a digit, in pixels
CROWD_HEIGHTS = (13.0, 18.0)
CROWD_COUNT = (5, 9)
MAX_DIGITS = 5
MAX_ROTATION_DEG = 12.0
SHARE_EMPTY = 0.06
SHARE_CROWD = 0.12
# Share of each digit that must stay visible, and number of positions to try.
MIN_VISIBLE = 0.5
TRIES = 12
# Minimum brightness of the background, of 255.
DIMMEST = 90.0
# Brightness of an enlarged digit, of 255, at the edge of its stroke and of the ground around it.
STROKE_EDGE = 120.0
GROUND_EDGE = 48.0


@dataclass(frozen=True)
class Glyphs:
    """Digits for scenes.

    Attributes:
        images: uint8 `(N, S, S)`, white on black, enlarged smoothly, with a black margin.
        labels: int64 `(N,)`, 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray) -> "Glyphs":
        """Make glyphs from digits that may touch the edges of their images.

        Args:
            images: uint8 `(N, S, S)`, white on black; 64 pixels are enough.
            labels: int64 `(N,)`, 0 to 9.
        """
        from PIL import Image, ImageFilter

        margin = images.shape[1] // 8
        framed = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
        # A blur smooths the waves that the few original pixels leave along the strokes.
        blur = ImageFilter.GaussianBlur(images.shape[1] / 24)
        smooth = [np.asarray(Image.fromarray(image).filter(blur)) for image in framed]
        return cls(np.stack(smooth), labels)


@dataclass(frozen=True)
class SceneObject:
    """One digit of a scene, or one crowd of small digits of a class.

    Attributes:
        label: 0 to 9.
        mask: bool `(H, W)`, its visible part.
        whole: bool `(H, W)`, all of it, with the covered part.
        visible: Visible share of it, in (0, 1].
        crowd: Whether it is a crowd.
        glyphs: Indices of its digits in `Glyphs`.
    """

    label: int
    mask: np.ndarray
    whole: np.ndarray
    visible: float
    crowd: bool
    glyphs: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """An image and its objects.

    Attributes:
        image: uint8 `(H, W, 3)` RGB.
        objects: From the lowest to the topmost.
        texture: Kind of the background, its index in `vision.data.synthetic.textures.TEXTURES`.
    """

    image: np.ndarray
    objects: tuple[SceneObject, ...]
    texture: int


@dataclass(frozen=True)
class Sticker:
    """A digit ready to be painted: `mask` bool, `stroke` and `ground` opacity, all `(h, w)`."""

    glyph: int
    mask: np.ndarray
    stroke: np.ndarray
    ground: np.ndarray


class _Canvas:
    """A scene while it is composed."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng = rng
        background, self.texture = make_texture(rng, height, width)
        self.image = DIMMEST + background * (1 - DIMMEST / 255)
        # Per object: label, whole mask, visible mask, crowd, glyphs.
        self.objects: list[tuple[int, np.ndarray, np.ndarray, bool, tuple[int, ...]]] = []

    def place(
        self, label: int, stickers: Sequence[tuple[Sticker, int, int]], *, crowd: bool
    ) -> bool:
        """Paint an object's stickers at rows and columns; False if it would hide another object."""
        whole = np.zeros(self.image.shape[:2], bool)
        for sticker, top, left in stickers:
            height, width = sticker.mask.shape
            whole[top : top + height, left : left + width] |= sticker.mask
        left_over = [visible & ~whole for _, _, visible, _, _ in self.objects]
        for (_, other, _, _, _), visible in zip(self.objects, left_over, strict=True):
            if visible.sum() < MIN_VISIBLE * other.sum():
                return False
        stroke, ground = sticker_colors(self.rng)
        for sticker, top, left in stickers:
            self._paint(sticker, top, left, stroke, ground)
        self.objects = [
            (*kept[:2], visible, *kept[3:])
            for kept, visible in zip(self.objects, left_over, strict=True)
        ]
        glyphs = tuple(sticker.glyph for sticker, _, _ in stickers)
        self.objects.append((label, whole, whole, crowd, glyphs))
        return True

    def finish(self) -> Scene:
        objects = tuple(
            SceneObject(label, visible, whole, float(visible.sum() / whole.sum()), crowd, glyphs)
            for label, whole, visible, crowd, glyphs in self.objects
        )
        return Scene(self.image.round().clip(0, 255).astype(np.uint8), objects, self.texture)

    def _paint(
        self, sticker: Sticker, top: int, left: int, stroke: np.ndarray, ground: np.ndarray
    ) -> None:
        height, width = sticker.mask.shape
        window = self.image[top : top + height, left : left + width]
        for color, opacity in ((ground, sticker.ground), (stroke, sticker.stroke)):
            window += (color - window) * opacity[..., None]


def compose_scene(
    rng: np.random.Generator, glyphs: Glyphs, *, size: int = 128, aspect: float | None = None
) -> Scene:
    """Compose a scene of up to five digits, sometimes with a crowd.

    Args:
        rng: Source of every choice: equal generators make equal scenes.
        glyphs: The digits to choose from.
        size: Long side of the scene in pixels, at least 96.
        aspect: Width by height, at least 1. None chooses it at random: the short side is 0.8 to 1
            times the long one, and either may be the height.

    Returns:
        The scene. Every digit is at least 20 pixels tall before others cover it, and at least half
        of it stays visible. The digits of a crowd are smaller.

    Raises:
        ConfigError: `size` is below 96, or `aspect` makes the height less than 0.8 times that.
    """
    height, width = _choose_shape(rng, size, aspect)
    canvas = _Canvas(rng, height, width)
    if rng.random() < SHARE_EMPTY:
        return canvas.finish()
    if rng.random() < SHARE_CROWD:
        _place_crowd(rng, canvas, glyphs)
    for _ in range(int(rng.integers(1, MAX_DIGITS + 1))):
        index = int(rng.integers(len(glyphs.labels)))
        sticker = make_sticker(rng, glyphs, index, rng.uniform(*HEIGHTS))
        for _ in range(TRIES):
            top = int(rng.integers(height - sticker.mask.shape[0] + 1))
            left = int(rng.integers(width - sticker.mask.shape[1] + 1))
            if canvas.place(int(glyphs.labels[index]), [(sticker, top, left)], crowd=False):
                break
    return canvas.finish()


def _choose_shape(rng: np.random.Generator, size: int, aspect: float | None) -> tuple[int, int]:
    if size < MIN_SIZE:
        raise ConfigError(f"size={size} must be at least {MIN_SIZE} pixels, for digits to fit.")
    if aspect is None:
        sides = (size, int(rng.integers(round(MIN_SHORT_SIDE * size), size + 1)))
        return sides if rng.random() < 0.5 else sides[::-1]
    height, minimum = round(size / aspect), round(MIN_SHORT_SIDE * MIN_SIZE)
    if aspect < 1 or height < minimum:
        raise ConfigError(
            f"size={size} with aspect={aspect:g} makes scenes of {size} x {height} pixels: the "
            f"height must be at least {minimum}, for digits to fit, and at most the width."
        )
    return height, size


def _place_crowd(rng: np.random.Generator, canvas: _Canvas, glyphs: Glyphs) -> None:
    """Place a clump of small digits of one class; as the first object it always fits."""
    height, width = canvas.image.shape[:2]
    label = int(rng.integers(10))
    of_class = np.flatnonzero(glyphs.labels == label)
    centre = rng.uniform(0.25, 0.75, size=2) * (height, width)
    count = int(rng.integers(CROWD_COUNT[0], CROWD_COUNT[1] + 1))
    stickers = []
    for index in rng.choice(of_class, size=count):
        sticker = make_sticker(rng, glyphs, int(index), rng.uniform(*CROWD_HEIGHTS))
        room = np.array([height, width]) - sticker.mask.shape
        corner = centre + rng.uniform(-20, 20, size=2) - np.array(sticker.mask.shape) / 2
        top, left = corner.round().astype(int).clip(0, room).tolist()
        stickers.append((sticker, top, left))
    canvas.place(label, stickers, crowd=True)


def sticker_colors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A bright stroke and a ground that is darker than any background, RGB `(3,)` in [0, 255]."""
    hue = rng.random()
    light = hsv_color(hue, rng.uniform(0.0, 0.25), rng.uniform(0.92, 1.0))
    vivid = hsv_color(hue, rng.uniform(0.6, 1.0), 1.0)
    ground = hsv_color(hue, rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.15))
    return vivid if luminance(vivid) > 130 else light, ground


def make_sticker(rng: np.random.Generator, glyphs: Glyphs, index: int, height_px: float) -> Sticker:
    """Enlarge a digit to a height, stretch and rotate it a little, and find its outline.

    Args:
        rng: Source of every choice.
        glyphs: The digits.
        index: Of the digit in `glyphs`.
        height_px: Height before it is rotated.
    """
    from PIL import Image, ImageFilter

    digit = glyphs.images[index]
    top, left, bottom, right = extent(digit > GROUND_EDGE)
    scale = height_px / (bottom - top)
    width_px = max((right - left) * scale * rng.uniform(0.85, 1.2), height_px * 0.35)
    margin = 2  # keeps the outline closed
    picture = Image.fromarray(digit).resize(
        (round(width_px), round(height_px)),
        Image.Resampling.BICUBIC,
        box=(left, top, right, bottom),
    )
    framed = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin))
    framed.paste(picture, (margin, margin))
    turned = framed.rotate(
        rng.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG), Image.Resampling.BICUBIC, expand=True
    )
    level = np.asarray(turned).astype(np.float32)
    inside = level > GROUND_EDGE
    mask = fill_outlines(trace_outlines(inside, exact=True), *level.shape)
    # One pixel of the digit's own 8 x 8 spans height / 8 pixels: about the width of its edges.
    softness = 255 * 4 / height_px
    stroke = ((level - STROKE_EDGE) / softness + 0.5).clip(0, 1)
    ground = ((level - GROUND_EDGE) / softness + 0.5).clip(0, 1)
    holes = Image.fromarray((mask & ~inside).astype(np.uint8) * 255)
    ground = np.maximum(
        ground, np.asarray(holes.filter(ImageFilter.MaxFilter(3))) / np.float32(255)
    )
    top, left, bottom, right = extent(mask)
    window = (slice(top, bottom), slice(left, right))
    return Sticker(index, mask[window], stroke[window] * mask[window], ground[window])
