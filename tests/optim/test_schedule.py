"""The learning rate of each step, against hand-worked cases and other libraries."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from vision.errors import ConfigError
from vision.optim.schedule import learning_rate
from vision.optim.settings import OptimSettings
from vision.optim.timeline import Timeline

STEPS = OptimSettings(
    lr=1e-4, warmup_steps=500, warmup_lr=1e-7, lr_schedule="steps", milestones=(8, 11)
)


SETTINGS = OptimSettings(lr=1.0, min_lr=0.1, warmup_epochs=0, warmup_lr=0.2)


def test_schedule_by_hand() -> None:
    rates = [learning_rate(t, SETTINGS, Timeline(total=8, warmup=4)) for t in range(10)]
    # 0.2 to 1.0 in four steps; then 0.1 + 0.9 * (1 + cos(pi * i / 4)) / 2; then the end is kept.
    root = math.sqrt(0.5)
    cosine = [1.0, 0.55 + 0.45 * root, 0.55, 0.55 - 0.45 * root, 0.1, 0.1]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, *cosine])


def test_a_power_of_what_is_left_by_hand() -> None:
    # As mmsegmentation's recipes: the warm-up multiplies a line that falls from the first step.
    line = OptimSettings(lr=1.0, min_lr=0.2, warmup_steps=2, warmup_lr=0.1, lr_schedule="poly")
    rates = [learning_rate(t, line, Timeline(total=8, warmup=2)) for t in range(9)]
    falling = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    assert rates == pytest.approx([0.1 * 1.0, 0.55 * 0.9, *falling[2:]])
    curve = OptimSettings(lr=1.0, min_lr=0.0, lr_schedule="poly", power=2.0)
    assert learning_rate(6, curve, Timeline(total=8)) == pytest.approx(0.25**2)


def test_poly_that_falls_when_the_warmup_ends() -> None:
    settings = OptimSettings(
        lr=1.0, min_lr=0.0, warmup_lr=0.2, warmup_to="lr", lr_schedule="poly", power=1.0
    )
    timeline = Timeline(total=10, warmup=4)
    rates = [learning_rate(step, settings, timeline) for step in range(6)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.6, 0.5])


def test_mmengines_poly_is_ours_without_a_warmup() -> None:
    scheduler = pytest.importorskip("mmengine.optim.scheduler")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-4)
    # It reaches the end with the last iteration; mmcv, of the published recipes, one later.
    poly = scheduler.PolyLR(optimizer, eta_min=1e-6, power=0.9, end=51, by_epoch=False)
    settings = OptimSettings(lr=1e-4, min_lr=1e-6, lr_schedule="poly", power=0.9)
    for step in range(50):
        rate = learning_rate(step, settings, Timeline(total=50))
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        poly.step()


def timm_schedule(*, epochs: int, warmup: int, cooldown: int, **options: Any) -> list[float]:
    """Learning rate of each epoch by timm's cosine scheduler, as the authors' scripts step it."""
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=SETTINGS.lr)
    scheduler = CosineLRScheduler(
        optimizer,
        t_initial=epochs,
        lr_min=SETTINGS.min_lr,
        warmup_t=warmup,
        warmup_lr_init=SETTINGS.warmup_lr,
        **options,
    )
    rates = []
    for epoch in range(epochs + cooldown):
        scheduler.step(epoch)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def test_a_cosine_from_the_start_with_a_cooldown_is_timms_schedule() -> None:
    settings = OptimSettings(
        lr=1.0, min_lr=0.1, warmup_lr=0.2, cosine_from="start", lr_interval="epoch"
    )
    timeline = Timeline(total=5 * 40, warmup=5 * 5, cooldown=5 * 10, epoch=5)
    rates = [learning_rate(t, settings, timeline) for t in range(timeline.total)]
    by_epoch = timm_schedule(epochs=30, warmup=5, cooldown=10)
    assert rates == pytest.approx([rate for rate in by_epoch for _ in range(5)])


def test_a_cosine_from_the_end_of_the_warmup_is_timms_with_a_prefix() -> None:
    timeline = Timeline(total=35, warmup=5)
    rates = [learning_rate(t, SETTINGS, timeline) for t in range(35)]
    by_step = timm_schedule(epochs=30, warmup=5, cooldown=5, warmup_prefix=True)
    assert rates == pytest.approx(by_step)


class RatesSeen(Callback):
    """The learning rates with which the optimiser stepped, lowest and highest of the groups."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, float]] = []

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        rates = [group["lr"] for group in optimizer.param_groups]
        self.rates.append((min(rates), max(rates)))


# Three batches of four images in an epoch.
@pytest.mark.parametrize(
    ("limits", "warmup_epochs", "warmup_steps", "total_steps"),
    [
        ({"max_epochs": 3}, 1, 3, 9),
        ({"max_epochs": 3}, 0.5, 2, 9),
        ({"max_epochs": 2, "accumulate_grad_batches": 2}, 1, 2, 4),
        ({"max_steps": 7}, 1, 3, 7),
        ({"max_epochs": 4, "max_steps": 5}, 1, 3, 5),
        ({"max_epochs": 2, "limit_train_batches": 2}, 1, 2, 4),
        ({"max_epochs": 1}, 5, 3, 3),
        ({"max_epochs": 2}, 0, 0, 6),
    ],
    ids=str,
)
def test_training_follows_the_schedule(
    tmp_path: Path,
    limits: dict[str, int],
    warmup_epochs: float,
    warmup_steps: int,
    total_steps: int,
) -> None:
    task = tiny_task(
        lr=1e-3, min_lr=1e-4, warmup_lr=1e-5, warmup_epochs=warmup_epochs, layer_decay=0.5
    )
    seen = RatesSeen()
    trainer = quiet_trainer(tmp_path, callbacks=[seen], limit_val_batches=0, **limits)
    trainer.fit(task, TinyData())
    expected = [
        learning_rate(t, task.optim, Timeline(total_steps, warmup_steps))
        for t in range(total_steps)
    ]
    assert [high for _, high in seen.rates] == pytest.approx(expected)
    # ConvNeXt has thirteen levels; the stem keeps its factor all the way.
    assert [low for low, _ in seen.rates] == pytest.approx([rate * 0.5**13 for rate in expected])
    assert float(trainer.callback_metrics["lr"]) == pytest.approx(expected[-1])


def test_steps_after_a_warm_up_are_those_of_torch() -> None:
    # A 1x schedule: 12 epochs of 1,000 steps, warm-up of 500 from a thousandth.
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-4)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-3, total_iters=500)
    falls = torch.optim.lr_scheduler.MultiStepLR(optimizer, [8000, 11000])
    timeline = Timeline(12000, 500, epoch=1000, milestones=(8000, 11000))
    for step in range(12000):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate(step, STEPS, timeline) == pytest.approx(expected, rel=1e-9), step
        optimizer.step()
        warmup.step()
        falls.step()


@pytest.mark.parametrize(("total", "peak"), [(100, 0.3), (37, 0.25), (10, 0.5)])
def test_one_cycle_is_pytorchs(total: int, peak: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=total, pct_start=peak, cycle_momentum=False
    )
    # Its defaults: from a 25th of the peak to a 250,000th.
    settings = OptimSettings(
        lr=1.0, min_lr=4e-6, warmup_lr=0.04, lr_schedule="one_cycle", peak=peak
    )
    for step in range(total):
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate(step, settings, Timeline(total)) == pytest.approx(expected), step
        optimizer.step()
        if step < total - 1:
            theirs.step()


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_constant_rates_have_a_warm_up_too(name: Any) -> None:
    settings = OptimSettings(lr=1.0, warmup_lr=0.2, lr_schedule=name)
    rates = [learning_rate(t, settings, Timeline(8, warmup=4)) for t in range(9)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 5])


@pytest.mark.parametrize("name", ["one_cycle", "constant", "plateau"])
def test_a_cooldown_without_a_place_is_refused(name: Any) -> None:
    with refuses(ConfigError, "cooldown_epochs=2", name, "'cosine'"):
        OptimSettings(lr_schedule=name, cooldown_epochs=2)
