"""RandAugment: a few random operators with a common magnitude.

"RandAugment: Practical Automated Data Augmentation with a Reduced Search Space", Cubuk et al.,
2020, https://arxiv.org/abs/1909.13719. Notation, operators and their ranges are as in timm
(`timm.data.auto_augment`), with which the published backbones were trained.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vision.data.transforms import operators, warps
from vision.data.transforms.options import IMAGENET_MEAN
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError

LARGEST_LEVEL = 10
# Published recipes use up to 15: above 10, only the noise can bring the level below 10.
LARGEST_MAGNITUDE = 30
_ACCEPTED = (
    "'rand' and, each after a dash: m0 to m30 (magnitude, default 10, where levels end), n1, n2, "
    "... (operators per image, default 2), p0 to p1 (probability of each, default 0.5), mstd0.5 or "
    "mstdinf (noise of the magnitude, default 0; inf: uniform from 0), inc0 or inc1 (whether all "
    "grow stronger with the magnitude, default inc0)"
)
_PART = re.compile(r"(mstd|inc|m|n|p)(\d+(?:\.\d+)?|inf)")
# timm's threshold of the noise above which the magnitude is uniform.
_UNIFORM_BEYOND = 100

# Arguments at the largest level.
MAX_BITS = 4
MAX_ADDED = 110


@dataclass(frozen=True)
class Policy:
    """The options in a notation such as "rand-m9-mstd0.5-inc1".

    Attributes:
        magnitude: Level of all operators, capped at 10 after the noise.
        count: Number of operators for each image.
        probability: Probability of applying each of them.
        noise: Standard deviation of the level; infinite for a uniform level up to `magnitude`.
        increasing: Whether posterize, solarize and the enhancements increase with the level too.
    """

    magnitude: float = LARGEST_LEVEL
    count: int = 2
    probability: float = 0.5
    noise: float = 0.0
    increasing: bool = False


def parse_policy(notation: str) -> Policy:
    """Read timm's notation of RandAugment.

    Raises:
        ConfigError: A part of it is unknown, or out of its range. timm's own parser skips parts
            without a number, such as "mstdinf".
    """
    head, *parts = notation.split("-")
    if head != "rand":
        raise _refused(notation, head)
    values: dict[str, float] = {}
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or match[1] in values:
            raise _refused(notation, part)
        key, value = match[1], float(match[2])
        if not _fits(key, value):
            raise _refused(notation, part)
        values[key] = value
    noise = values.get("mstd", 0.0)
    return Policy(
        magnitude=values.get("m", LARGEST_LEVEL),
        count=int(values.get("n", 2)),
        probability=values.get("p", 0.5),
        noise=math.inf if noise > _UNIFORM_BEYOND else noise,
        increasing=bool(values.get("inc", 0)),
    )


def _fits(key: str, value: float) -> bool:
    if key == "mstd":
        return True
    if key == "p":
        return value <= 1
    low, high = {"m": (0, LARGEST_MAGNITUDE), "n": (1, 99), "inc": (0, 1)}[key]
    return low <= value <= high and value == int(value)


def _refused(notation: str, part: str) -> ConfigError:
    return ConfigError(
        f"rand_augment={notation!r} has the part {part!r}, which is unknown, repeated or out of "
        f"range; accepted: {_ACCEPTED}. Example: rand-m9-mstd0.5-inc1."
    )


class Step(NamedTuple):
    """One operator of an image's augmentation.

    Attributes:
        name: Key of `COLOUR` or `WARPS`.
        argument: Its second argument; 0 where it has none.
        cubic: Whether a warp interpolates bicubically, or else bilinearly.
    """

    name: str
    argument: float
    cubic: bool


class RandAugment:
    """Applies a few operators, chosen at random with replacement.

    At magnitude 10 with inc1, and at magnitudes below 2.5 without it, timm's posterize keeps 0 bits
    of a value: the image is black. Here it keeps one bit, unless `posterize_to_black`.

    Args:
        notation: timm's, such as "rand-m9-mstd0.5-inc1".
        interpolation: For rotations, shears and translations; "random" chooses bicubic or bilinear
            for each.
        fill: Colour (R, G, B), 0..255, of the area that they uncover.
        posterize_to_black: Whether posterize keeps 0 bits where timm's does.

    Raises:
        ConfigError: The notation is not understood.
    """

    def __init__(
        self,
        notation: str,
        *,
        interpolation: Literal["bicubic", "bilinear", "random"] = "bicubic",
        fill: warps.Colour = IMAGENET_MEAN,
        posterize_to_black: bool = False,
    ) -> None:
        self.policy = parse_policy(notation)
        self.interpolation = interpolation
        self.fill = fill
        self.min_bits = 0 if posterize_to_black else 1

    def __call__(self, image: np.ndarray, rng: SampleRng) -> np.ndarray:
        """Augment an image, uint8 `(3, H, W)` in contiguous planes; the input is not changed."""
        for name, argument, cubic in self.plan(rng):
            if name in WARPS:
                image = WARPS[name][1](image, argument, cubic=cubic, fill=self.fill)
            else:
                image = COLOUR[name][1](image, argument)
        return image

    def plan(self, rng: SampleRng) -> list[Step]:
        """Choose the operators of an image and their arguments."""
        chosen = [NAMES[rng.below(len(NAMES))] for _ in range(self.policy.count)]
        return [self._step(name, rng) for name in chosen if rng.chance(self.policy.probability)]

    def _step(self, name: str, rng: SampleRng) -> Step:
        share = self._level(rng) / LARGEST_LEVEL
        if name not in WARPS:
            argument = COLOUR[name][0](share, self.policy.increasing, rng)
            return Step(
                name, max(argument, self.min_bits) if name == "posterize" else argument, False
            )
        argument = _signed(share * WARPS[name][0], rng)
        cubic = self.interpolation == "bicubic"
        if self.interpolation == "random":
            cubic = rng.chance(0.5)
        return Step(name, argument, cubic)

    def _level(self, rng: SampleRng) -> float:
        level, noise = self.policy.magnitude, self.policy.noise
        if noise == math.inf:
            level = rng.uniform(0, level)
        elif noise > 0:
            level = rng.normal(level, noise)
        return min(max(level, 0), LARGEST_LEVEL)


def _signed(size: float, rng: SampleRng) -> float:
    return -size if rng.chance(0.5) else size


# Functions from the share of the largest level, 0 to 1, to an argument.


def _nothing(share: float, increasing: bool, rng: SampleRng) -> float:
    return 0


def _bits(share: float, increasing: bool, rng: SampleRng) -> float:
    bits = int(share * MAX_BITS)
    return MAX_BITS - bits if increasing else bits


def _threshold(share: float, increasing: bool, rng: SampleRng) -> float:
    threshold = int(share * 256)
    return 256 - threshold if increasing else threshold


def _added(share: float, increasing: bool, rng: SampleRng) -> float:
    return int(share * MAX_ADDED)


def _factor(share: float, increasing: bool, rng: SampleRng) -> float:
    if not increasing:
        return 0.1 + 1.8 * share
    return max(0.1, 1 + _signed(0.9 * share, rng))


# By name: the function that samples the argument, and the operator.
COLOUR: dict[str, tuple[Callable[[float, bool, SampleRng], float], Callable[..., np.ndarray]]] = {
    "auto_contrast": (_nothing, lambda image, _: operators.auto_contrast(image)),
    "equalize": (_nothing, lambda image, _: operators.equalize(image)),
    "invert": (_nothing, lambda image, _: operators.invert(image)),
    "posterize": (_bits, operators.posterize),
    "solarize": (_threshold, operators.solarize),
    "solarize_add": (_added, operators.solarize_add),
    "saturation": (_factor, operators.saturation),
    "contrast": (_factor, operators.contrast),
    "brightness": (_factor, operators.brightness),
    "sharpness": (_factor, operators.sharpness),
}
# By name: the absolute argument at the largest level, and the operator.
WARPS: dict[str, tuple[float, Callable[..., np.ndarray]]] = {
    "rotate": (30, warps.rotate),  # degrees
    "shear_x": (0.3, warps.shear_x),
    "shear_y": (0.3, warps.shear_y),
    "translate_x": (0.45, warps.translate_x),  # share of the side
    "translate_y": (0.45, warps.translate_y),
}
NAMES = (*COLOUR, *WARPS)
