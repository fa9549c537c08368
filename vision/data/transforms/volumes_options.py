"""Options of the augmentation of volumes, and of the preparation before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision.errors import ConfigError, shown
from vision.ops.sliding_windows import check_cells
from vision.options import PROBABILITY, Range, Ranges, check_ranges

# Cells along an axis of a patch: a larger one fills no memory that there is.
PATCH_SIDE = Range(minimum=1, maximum=1024, length=3, unit="cells")
SPACING = Range(above=0.01, maximum=100, length=3, unit="mm")
RANGES: Ranges = {
    "patch_size": PATCH_SIDE,
    "foreground": PROBABILITY,
    "flip": Range(minimum=0, maximum=1, length=3),
    "scale": Range(minimum=0, below=1),
    "shift": Range(minimum=0, maximum=10),
    "affine": PROBABILITY,
    "rotation": Range(minimum=0, maximum=180, unit="degrees"),
    "zoom": Range(above=0.1, maximum=10, length=2, ascending=True),
}
ZSCORES = ("zscore_nonzero", "zscore")
WINDOW = "window"

# How values are normalised: one of `ZSCORES`, or a window such as `{"window": [-175, 250]}`.
Intensity = str | Mapping[str, Sequence[float]] | None


@dataclass(frozen=True)
class VolumeAugment:
    """Options of the patches that a model is trained on, and of their augmentation.

    Attributes:
        patch_size: Cells along each axis of a patch; multiples of 32 waste nothing.
        foreground: Share of the patches that have a cell of a class at their middle: of one of the
            classes that the volume has, drawn with equal chances, any of its cells. The others lie
            anywhere in the volume.
        flip: Probability of a reversed axis, for each of the three.
        scale: Values are multiplied by one number in 1 - `scale` to 1 + `scale`.
        shift: One number in -`shift` to `shift` is added to them, after normalisation.
        affine: Probability that a patch is rotated and zoomed.
        rotation: Maximum angle about each axis in degrees.
        zoom: Minimum and maximum of the zoom; above 1 things become larger.
        published: As in the authors' script for BraTS: patches are drawn anywhere within the box of
            cells above 0, which is first enlarged on both sides to multiples of the patch; values
            are normalised within the patch; the padding is background. `foreground` is not used.

    Raises:
        ConfigError: A value is out of its range.
    """

    patch_size: tuple[int, int, int] = (96, 96, 96)
    foreground: float = 0.5
    flip: tuple[float, float, float] = (0.5, 0.5, 0.5)
    scale: float = 0.1
    shift: float = 0.1
    affine: float = 0.0
    rotation: float = 15.0
    zoom: tuple[float, float] = (0.8, 1.25)
    published: bool = False

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)
        check_cells("augment.patch_size", self.patch_size)


def check_intensity(intensity: Intensity) -> Intensity:
    """Check how values are normalised, and bring it to a plain form.

    Raises:
        ConfigError: It is none of the known ways, or a window without two numbers in order.
    """
    if intensity is None or (isinstance(intensity, str) and intensity in ZSCORES):
        return intensity
    if isinstance(intensity, Mapping) and [*intensity] == [WINDOW]:
        window = intensity[WINDOW]
        limits = Range(length=2, ascending=True)
        if limits.holds(window) and window[0] < window[1]:
            return {WINDOW: [float(window[0]), float(window[1])]}
    raise ConfigError(
        f"intensity={shown(intensity)} must be {', '.join(map(repr, ZSCORES))}, a window of values "
        "that becomes 0 to 1, such as {'window': [-175, 250]}, or null."
    )
