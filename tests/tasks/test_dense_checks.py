"""What is wrong with the first batch of depth or normals is named."""

from typing import Any

import pytest
import torch
from helpers.random_values import random_values
from helpers.refusals import refuses
from helpers.tiny_dense import tiny_dense

from vision.errors import ConfigError, DataError
from vision.tasks.dense import DenseTask

SIZE = (32, 40)
DEPTH, NORMALS = (random_values(key, 2, SIZE) for key in ("depth", "normals"))


@pytest.fixture(scope="module")
def depth() -> DenseTask:
    return tiny_dense("depth")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def normals() -> DenseTask:
    return tiny_dense("normals")  # type: ignore[no-any-return]


def batch(**values: Any) -> dict[str, Any]:
    sizes = torch.tensor([SIZE, SIZE])
    return {
        "image": torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8),
        "size": sizes,
        "original_size": sizes,
        "path": ["a.png", "b.png"],
        **values,
    }


def test_good_batches_pass(depth: DenseTask, normals: DenseTask) -> None:
    holes = DEPTH.clone()
    holes[0] = 0
    for stage in ("train", "val", "predict"):
        depth.check_batch(batch(depth=holes), stage)
        normals.check_batch(batch(normals=NORMALS * (holes > 0)[:, None]), stage)
    # In evaluation they have the size of the file.
    depth.check_batch(batch(depth=torch.ones(2, 64, 80)), "val")
    depth.check_batch({**batch(), "image": torch.zeros(2, 3, *SIZE)}, "predict")
    # A single image may have no reading.
    one = {key: value[:1] for key, value in batch(depth=torch.zeros(2, *SIZE)).items()}
    depth.check_batch(one, "train")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ([*DEPTH], ("batch['depth'] is a list", "float (2, 32, 40)")),
        (DEPTH[:, None], ("float32 (2, 1, 32, 40)", "float (2, 32, 40)", "squeeze(1)")),
        (DEPTH[:, :16], ("float32 (2, 16, 40)", "float (2, 32, 40)")),
        ((DEPTH * 1000).to(torch.int32), ("int32", "depth.float()")),
        (DEPTH / 0, ("NaN or infinite", "0 where there is no value")),
        (-DEPTH, ("values from -", "expected metres", "disparity")),
        (torch.zeros(2, *SIZE), ("no pixel of 2 images has a reading",)),
        (DEPTH * 1000, ("max_depth=10 m", "median is", "millimetres")),
        (DEPTH / 1e5, ("min_depth=0.001", "unit")),
    ],
)
def test_wrong_depth(depth: DenseTask, changed: Any, says: tuple[str, ...]) -> None:
    with refuses(DataError, *says):
        depth.check_batch(batch(depth=changed), "train")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (NORMALS.permute(0, 2, 3, 1), ("(2, 32, 40, 3)", "(2, 3, 32, 40)", "permute(0, 3, 1, 2)")),
        (NORMALS * 2, ("median length of 2", "unit vectors", "lengths")),
        ((NORMALS + 1) / 2, ("unit vectors", "colours", "2 * normals - 1")),
        (NORMALS * torch.nan, ("NaN or infinite",)),
        (-NORMALS, ("100%", "away from the camera", "z below 0")),
    ],
)
def test_wrong_normals(normals: DenseTask, changed: Any, says: tuple[str, ...]) -> None:
    with refuses(DataError, *says):
        normals.check_batch(batch(normals=changed), "train")


def test_keys(depth: DenseTask, normals: DenseTask) -> None:
    with refuses(DataError, "no 'depth'", "'path'"):
        depth.check_batch(batch(), "val")
    with refuses(DataError, "no 'normals'"):
        normals.check_batch(batch(normal=NORMALS), "train")


@pytest.mark.parametrize(
    ("key", "options", "says"),
    [
        ("depth", {"decoder": "dtp"}, ("decoder='dtp'", "Did you mean 'dpt'")),
        ("depth", {"max_depth": 0.0}, ("max_depth", "above 0.001")),
        ("depth", {"activation": "relu"}, ("activation", "softplus")),
        ("depth", {"evaluation": {"crop": "nyu"}}, ("evaluation.crop", "'eigen'")),
        ("depth", {"evaluation": {"cap": 80}}, ("evaluation.cap", "max_depth")),
        ("depth", {"evaluation": {"max_depth": 1e-4}}, ("max_depth", "above 0.001")),
        ("depth", {"head_options": {"feature": 8}}, ("head_options.feature", "features")),
        ("depth", {"loss_options": {"terms": {"l2": 1.0}}}, ("'l2'", "silog")),
        ("normals", {"loss_options": {"alpha": 1.0}}, ("loss_options.alpha", "terms")),
        ("normals", {"head_options": {"features": "8"}}, ("head_options.features", "int")),
    ],
)
def test_options_that_are_refused(key: str, options: Any, says: tuple[str, ...]) -> None:
    with refuses(ConfigError, *says):
        tiny_dense(key, **{"decoder": "dpt", **options})
