"""Settings of the optimiser: ranges, and the scaling of learning rates."""

import dataclasses
from typing import Any

import pytest

from vision.errors import ConfigError
from vision.optim.settings import OptimSettings


def test_learning_rates_scale_with_the_images_per_step() -> None:
    settings = OptimSettings(lr=5e-4, min_lr=5e-6, warmup_lr=5e-7, lr_batch_size=512)
    alone = settings.scaled_to(1024)
    assert (alone.lr, alone.min_lr, alone.warmup_lr) == pytest.approx((1e-3, 5e-6, 5e-7))
    all_three = dataclasses.replace(settings, lr_scaling="all").scaled_to(1024)
    assert (all_three.lr, all_three.min_lr, all_three.warmup_lr) == pytest.approx(
        (1e-3, 1e-5, 1e-6)
    )
    assert OptimSettings(lr=1.0).scaled_to(1024).lr == 1.0
    few = settings.scaled_to(1)  # of a scaled lr below min_lr no cosine can be made
    assert few.min_lr == few.lr == pytest.approx(5e-4 / 512)


@pytest.mark.parametrize(
    "setting",
    [
        {"lr": 0.0},
        {"cooldown_epochs": -1},
        {"cosine_from": "end"},
        {"lr_interval": "day"},
        {"lr_batch_size": 0},
        {"lr_scaling": "none"},
        {"min_lr": 2.0},
        {"betas": (0.9,)},
        {"layer_decay": 0.0},
        {"layer_decay": 1.5},
        {"warmup_epochs": -1},
        {"weight_decay": -0.1},
        {"warmup_lr": -1.0},
        {"power": 0.0},
        {"layer_decay_by": "head"},
        {"layer_decay_depth": 6},
    ],
    ids=str,
)
def test_values_out_of_range_are_named(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ConfigError, match=name):
        OptimSettings(**{"lr": 1.0, **setting})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lr_schedule": "steps"}, "milestones="),
        ({"milestones": (8, 11)}, "milestones="),
        ({"lr_schedule": "steps", "milestones": (11, 8)}, "ascending"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
        ({"warmup_steps": 20, "lr_interval": "epoch"}, "lr_interval='step', or warmup_epochs"),
        ({"lr_schedule": "linear"}, "'cosine' or 'steps'"),
    ],
)
def test_settings_of_steps_that_do_not_fit_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        OptimSettings(lr=1.0, **options)
