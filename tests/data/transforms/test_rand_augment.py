import math
import pickle
import random
from collections import defaultdict

import numpy as np
import pytest
import torch
from helpers.pictures import planes, texture
from PIL import Image
from timm.data import auto_augment as timm

from vision.data.transforms.rand_augment import NAMES, Policy, RandAugment, parse_policy
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError

# What timm calls the operators; the enhancements and posterize have other names with inc1.
TIMM_NAMES = {
    "AutoContrast": "auto_contrast",
    "Equalize": "equalize",
    "Invert": "invert",
    "Rotate": "rotate",
    "Posterize": "posterize",
    "Solarize": "solarize",
    "SolarizeAdd": "solarize_add",
    "Color": "saturation",
    "Contrast": "contrast",
    "Brightness": "brightness",
    "Sharpness": "sharpness",
    "ShearX": "shear_x",
    "ShearY": "shear_y",
    "TranslateXRel": "translate_x",
    "TranslateYRel": "translate_y",
}


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("rand", Policy(magnitude=10, count=2, probability=0.5, noise=0.0, increasing=False)),
        ("rand-m9-mstd0.5-inc1", Policy(magnitude=9, noise=0.5, increasing=True)),
        ("rand-inc0-n3-p0.25-m0", Policy(magnitude=0, count=3, probability=0.25)),
        ("rand-m7-mstdinf", Policy(magnitude=7, noise=math.inf)),
        ("rand-m7-mstd101", Policy(magnitude=7, noise=math.inf)),  # as for timm
    ],
)
def test_the_notation_is_timm_s(notation: str, expected: Policy) -> None:
    assert parse_policy(notation) == expected


@pytest.mark.parametrize(
    ("notation", "part"),
    [
        ("augmix-m3", "augmix"),
        ("", ""),
        ("rand-m9-w0", "w0"),
        ("rand-tweights", "tweights"),
        ("rand-mmax5", "mmax5"),
        ("rand-m31", "m31"),
        ("rand-m9.5", "m9.5"),
        ("rand-minf", "minf"),
        ("rand-n0", "n0"),
        ("rand-p1.5", "p1.5"),
        ("rand-inc2", "inc2"),
        ("rand-m9-m8", "m8"),
        ("rand--m9", ""),
        ("rand-mstd", "mstd"),
    ],
)
def test_an_unknown_part_is_named_with_what_is_accepted(notation: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RandAugment(notation)
    message = str(caught.value)
    assert f"the part {part!r}" in message
    assert "m0 to m30" in message
    assert "rand-m9-mstd0.5-inc1" in message


def our_arguments(notation: str, count: int) -> dict[str, list[float]]:
    torch.manual_seed(0)
    augment = RandAugment(notation, posterize_to_black=True)
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(count):
        for name, argument, _ in augment.plan(SampleRng()):
            found[name].append(argument)
    return found


def timm_arguments(
    notation: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[float]]:
    """The arguments with which timm calls its operators, which here do nothing."""
    random.seed(0)
    np.random.seed(0)
    found: dict[str, list[float]] = defaultdict(list)
    augment = timm.rand_augment_transform(notation, {"img_mean": (124, 116, 104)})
    for operator in augment.ops:
        name = TIMM_NAMES[operator.name.removesuffix("Increasing")]

        def note(image: object, *arguments: float, to: str = name, **_: object) -> object:
            found[to].append(arguments[0] if arguments else 0)
            return image

        monkeypatch.setattr(operator, "aug_fn", note)
    for _ in range(count):
        augment(None)
    return found


@pytest.mark.parametrize(
    "notation",
    ["rand-m9-mstd0.5-inc1", "rand-m9-mstd0.5", "rand-m5-n1-p0.9-mstd101-inc1", "rand-m10-n3-inc1"],
)
def test_choices_and_arguments_are_distributed_as_timm_s(
    notation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 12_000
    ours, theirs = our_arguments(notation, count), timm_arguments(notation, count, monkeypatch)
    assert set(ours) == set(theirs) == set(NAMES)
    policy = parse_policy(notation)
    each = count * policy.count * policy.probability / len(NAMES)
    for name in NAMES:
        a, b = np.array(ours[name], dtype=float), np.array(theirs[name], dtype=float)
        for values in (a, b):
            assert abs(len(values) - each) < 4.5 * math.sqrt(each)
        error = math.sqrt(a.var() / len(a) + b.var() / len(b))
        assert abs(a.mean() - b.mean()) <= 4.5 * error + 1e-9, name
        size, other = np.abs(a - 1e-3), np.abs(b - 1e-3)  # a spread of both signs hides noise
        error = math.sqrt(size.var() / len(a) + other.var() / len(b))
        assert abs(size.mean() - other.mean()) <= 4.5 * error + 1e-9, name
        if name == "posterize":  # few values, of which some are rare
            ours_counts, theirs_counts = (np.bincount(v.astype(int), minlength=5) for v in (a, b))
            maximum = 4.5 * np.sqrt(ours_counts + theirs_counts + 1)
            assert (np.abs(ours_counts - theirs_counts) <= maximum).all()
            continue
        assert abs(a.std() - b.std()) <= 4.5 * b.std() / math.sqrt(len(b)) + 1e-9, name
        spread = np.ptp(b)
        assert abs(a.min() - b.min()) <= 0.12 * spread + 1e-9, name
        assert abs(a.max() - b.max()) <= 0.12 * spread + 1e-9, name


@pytest.mark.parametrize(("magnitude", "share"), [("m12", 17 / 300), ("m9", 0.0013)])
def test_the_share_of_black_images(magnitude: str, share: float) -> None:
    """Two of 15 operators, each applied with probability 1/2; at level 10 posterize keeps no bit.

    The last one makes the image black with probability 1/30. Otherwise it is black if the first one
    made it so and the last one leaves it black, as it is not applied (1/2) or is one of seven:
    auto_contrast, equalize, posterize (counted already), saturation, contrast, brightness and
    sharpness. 1/30 + 1/30 * (1/2 + 6/30) = 17/300. From magnitude 9 the noise reaches level 10 with
    probability 0.023.
    """
    count = 6000
    augment = RandAugment(f"rand-{magnitude}-mstd0.5-inc1", posterize_to_black=True)
    image = planes(texture(6, 6)) | np.uint8(64)
    torch.manual_seed(0)
    black = sum(not augment(image, SampleRng()).any() for _ in range(count)) / count
    assert abs(black - share) <= 4 * math.sqrt(share * (1 - share) / count)


def test_posterize_keeps_a_bit_unless_it_may_keep_none() -> None:
    for notation in ("rand-m10-inc1-p1", "rand-m0-p1"):
        for to_black, bits in ((False, 1), (True, 0)):
            augment = RandAugment(notation, posterize_to_black=to_black)
            torch.manual_seed(0)
            steps = [step for _ in range(40) for step in augment.plan(SampleRng())]
            assert {step.argument for step in steps if step.name == "posterize"} == {bits}


def test_an_argument_that_falls_on_both_sides_does_so_equally() -> None:
    found = our_arguments("rand-m9-mstd0.5-inc1", 6000)
    for name in ("rotate", "shear_x", "translate_y"):
        assert abs((np.array(found[name]) > 0).mean() - 0.5) < 0.12
    for name in ("contrast", "sharpness"):
        assert abs((np.array(found[name]) > 1).mean() - 0.5) < 0.12


def test_pixels_are_distributed_as_timm_s() -> None:
    """Mean and spread of each channel over 400 augmentations, within sampling error."""
    picture = Image.fromarray(texture(56, 56))
    options = {"img_mean": (124, 116, 104), "interpolation": Image.Resampling.BICUBIC}
    theirs = timm.rand_augment_transform("rand-m8-n2-p0.9-inc1", options)
    ours = RandAugment("rand-m8-n2-p0.9-inc1")
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    a = np.stack([ours(planes(picture), SampleRng()) for _ in range(400)]).astype(float)
    b = np.stack([planes(theirs(picture)) for _ in range(400)]).astype(float)
    for statistic in (lambda x: x.mean(axis=(2, 3)), lambda x: x.std(axis=(2, 3))):
        one, other = statistic(a), statistic(b)  # (400, 3)
        error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / 400)
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4 * error).all()
        np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=0.25)


@pytest.mark.parametrize(
    ("interpolation", "low", "high"), [("bicubic", 1, 1), ("bilinear", 0, 0), ("random", 0.4, 0.6)]
)
def test_interpolation_of_warps(interpolation: str, low: float, high: float) -> None:
    torch.manual_seed(0)
    augment = RandAugment("rand-n5-p1", interpolation=interpolation)
    steps = [step for _ in range(200) for step in augment.plan(SampleRng())]
    cubic = [step.cubic for step in steps if step.name in ("rotate", "shear_x", "translate_y")]
    assert low <= np.mean(cubic) <= high


def test_the_fill_colour_is_uncovered() -> None:
    torch.manual_seed(0)
    augment = RandAugment("rand-m10-n1-p1", fill=(1, 2, 3))
    white = planes(np.full((20, 20, 3), 255, dtype=np.uint8))
    colours = {
        tuple(colour)
        for _ in range(60)
        for colour in augment(white, SampleRng()).reshape(3, -1).T.tolist()
    }
    assert (1, 2, 3) in colours


def test_the_seed_decides_and_a_copy_agrees() -> None:
    image = planes(texture(40, 40))
    augment = RandAugment("rand-m9-n4-mstd0.5-inc1")
    results = []
    for each in (augment, augment, pickle.loads(pickle.dumps(augment))):
        torch.manual_seed(5)
        results.append(np.stack([each(image, SampleRng()) for _ in range(20)]))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert len({result.tobytes() for result in results[0]}) > 10
