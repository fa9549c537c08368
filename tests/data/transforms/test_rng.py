import numpy as np
import torch

from vision.data.transforms.rng import SampleRng


def sample(draw: object, count: int = 20_000) -> np.ndarray:
    torch.manual_seed(3)
    rng = SampleRng()
    return np.array([draw(rng) for _ in range(count)])


def test_numbers_have_their_distributions() -> None:
    unit = sample(SampleRng.unit)
    assert ((unit >= 0) & (unit < 1)).all()
    assert abs(unit.mean() - 0.5) < 0.01
    uniform = sample(lambda rng: rng.uniform(-3, 5))
    assert abs(uniform.mean() - 1) < 0.08
    assert -3 <= uniform.min() < -2.99
    assert 4.99 < uniform.max() <= 5
    counts = np.bincount(sample(lambda rng: rng.below(7)), minlength=7)
    assert len(counts) == 7
    assert abs(counts / 20_000 - 1 / 7).max() < 0.01
    normal = sample(lambda rng: rng.normal(2, 3))
    standard = (normal - 2) / 3
    assert abs(standard.mean()) < 0.03
    assert abs(standard.std() - 1) < 0.02
    assert abs((np.abs(standard) < 1).mean() - 0.6827) < 0.012  # of a normal distribution
    assert abs(sample(lambda rng: rng.chance(0.3)).mean() - 0.3) < 0.015
    assert not sample(lambda rng: rng.chance(0.0)).any()
    assert sample(lambda rng: rng.chance(1.0)).all()


def test_numbers_depend_on_the_generator_alone() -> None:
    first = sample(SampleRng.unit, 100)
    np.testing.assert_array_equal(first, sample(SampleRng.unit, 100))
    assert len(np.unique(first)) == 100


def test_another_number_is_any_but_the_given_one() -> None:
    counts = np.bincount(sample(lambda rng: rng.other(2, 5), 4000), minlength=5) / 4000
    np.testing.assert_allclose(counts, [0.25, 0.25, 0, 0.25, 0.25], atol=0.03)
    assert SampleRng().other(0, 1) == 0
