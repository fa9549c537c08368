"""Parameter groups and the schedule, against hand-worked cases."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from vision import create_backbone
from vision.errors import ConfigError
from vision.optim.settings import (
    OptimSettings,
    Timeline,
    build_optimizer,
    learning_rate,
    parameter_groups,
)

STEPS = OptimSettings(
    lr=1e-4, warmup_steps=500, warmup_lr=1e-7, lr_schedule="steps", milestones=(8, 11)
)
SETTINGS = OptimSettings(lr=1.0, min_lr=0.1, warmup_epochs=0, warmup_lr=0.2)


class Model(nn.Module):
    def __init__(self, family: str) -> None:
        super().__init__()
        name, options = TINY[family]
        self.backbone = create_backbone(name, **options)
        self.head = nn.Linear(self.backbone.embed_dim, 3)


@pytest.mark.parametrize("layer_decay", [1.0, 0.7])
@pytest.mark.parametrize("family", ["convnext", "swin", "tnt"])
def test_every_parameter_is_in_exactly_one_group(family: str, layer_decay: float) -> None:
    model = Model(family)
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=layer_decay)
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    for group in groups:
        for name, parameter in zip(group.names, group.parameters, strict=True):
            assert model.get_parameter(name) is parameter


def test_layer_decay_by_hand() -> None:
    # A Swin of depths 1, 2, 2, 2: the stem and seven blocks are eight levels.
    model = Model("swin")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.patch_embed.proj.weight"] == 0.5**8
    assert scale["backbone.stages.0.0.norm1.weight"] == 0.5**7
    assert scale["backbone.merges.1.reduction.weight"] == 0.5**6
    assert scale["backbone.stages.1.1.norm1.weight"] == 0.5**5
    assert scale["backbone.stages.3.1.norm1.weight"] == 0.5
    assert scale["backbone.norm.weight"] == 0.5
    assert scale["head.weight"] == 1.0
    assert groups[0].lr_scale == 0.5**8
    assert groups[-1].names == ["head.bias"]


@pytest.mark.parametrize(("depth", "last"), [(None, 1), (6, 3), (12, 9)])
def test_stages_as_levels_by_hand(depth: int | None, last: int) -> None:
    # The released code of ConvNeXt: 0.9 ** (depth + 1 - i) for stage i of 1 to 4; the stem and the
    # layers between the stages are level 0.
    model = Model("convnext")
    options = {"layer_decay_by": "stage", "layer_decay_depth": depth}
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5, **options)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.downsample.0.0.weight"] == 0.5 ** (last + 4)
    assert scale["backbone.downsample.3.1.weight"] == 0.5 ** (last + 4)
    assert scale["backbone.stages.0.0.gamma"] == 0.5 ** (last + 3)
    assert scale["backbone.stages.3.0.gamma"] == 0.5**last
    assert scale["backbone.norm.weight"] == scale["head.weight"] == 1.0


def test_stages_as_levels_of_another_backbone() -> None:
    # Without a grouping of its authors: the stem, then four stages with what leads to them.
    model = Model("swin")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5, layer_decay_by="stage")
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.patch_embed.proj.weight"] == 0.5**5
    assert scale["backbone.stages.0.0.norm1.weight"] == 0.5**4
    assert scale["backbone.stages.3.1.norm1.weight"] == 0.5


def test_levels_of_decay_may_be_empty() -> None:
    # ConvNeXt's 13 levels, of which a third stage of two blocks fills one of nine.
    model = Model("convnext")
    groups = parameter_groups(model, weight_decay=0.05, layer_decay=0.5)
    scale = {name: group.lr_scale for group in groups for name in group.names}
    assert scale["backbone.downsample.0.0.weight"] == 0.5**13
    assert scale["backbone.stages.2.1.gamma"] == 0.5**10
    assert scale["backbone.stages.3.0.gamma"] == 0.5
    assert scale["backbone.norm.weight"] == 1.0
    assert scale["head.weight"] == 1.0


def test_flattened_parameters_keep_their_decay() -> None:
    # As FSDP has them when the optimiser is made: flat, some of them empty.
    task = tiny_task(weight_decay=0.05, layer_decay=0.5)
    expected = [(group["weight_decay"], len(group["params"])) for group in optimizer_of(task)]
    for parameter in task.parameters():
        parameter.data = parameter.data.flatten()[::2]
    assert [(g["weight_decay"], len(g["params"])) for g in optimizer_of(task)] == expected
    assert {decay for decay, _ in expected} == {0.0, 0.05}


def optimizer_of(task: Any) -> list[dict[str, Any]]:
    return build_optimizer(task, task.optim, undecayed=task._undecayed).param_groups


def test_frozen_parameters_are_left_out() -> None:
    model = Model("convnext")
    model.backbone.requires_grad_(False)
    groups = parameter_groups(model, weight_decay=0.05)
    assert [group.names for group in groups] == [["head.weight"], ["head.bias"]]
    model.requires_grad_(False)
    with pytest.raises(ConfigError, match="frozen"):
        build_optimizer(model, SETTINGS)


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


def test_the_images_of_a_step_are_those_of_all_accumulated_batches(tmp_path: Path) -> None:
    task = tiny_task(lr=1e-3, min_lr=0.0, lr_batch_size=16)
    seen = RatesSeen()
    options = {"max_epochs": 1, "limit_val_batches": 0, "accumulate_grad_batches": 2}
    trainer = quiet_trainer(tmp_path, callbacks=[seen], **options)
    with refuses(ConfigError, "lr_batch_size=16 ", " no batch_size"):
        trainer.fit(task, TinyData())
    data = TinyData()
    data.batch_size = 4  # two of them make 8 images per step
    trainer = quiet_trainer(tmp_path, callbacks=[seen], **options)
    trainer.fit(task, data)
    assert seen.rates[0][1] == pytest.approx(0.5e-3)


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


class Stream(IterableDataset):
    def __iter__(self) -> Any:
        return iter(TinyData().train)


def test_a_training_without_an_end_is_refused(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=-1, limit_val_batches=0)
    with pytest.raises(ConfigError, match="max_epochs"):
        trainer.fit(tiny_task(), TinyData())


def test_a_warmup_without_a_length_is_refused(tmp_path: Path) -> None:
    loader = DataLoader(Stream(), batch_size=4)
    trainer = quiet_trainer(tmp_path, max_steps=2, limit_val_batches=0)
    with pytest.raises(ConfigError, match="warmup_epochs=1"):
        trainer.fit(tiny_task(warmup_epochs=1), loader)
    trainer = quiet_trainer(tmp_path, max_steps=2, limit_val_batches=0)
    trainer.fit(tiny_task(warmup_epochs=0), loader)
    assert trainer.global_step == 2


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


def test_milestones_are_counted_in_epochs_of_the_trainer(tmp_path: Path) -> None:
    class Rates(Callback):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    rates = Rates()
    task = tiny_task(lr_schedule="steps", milestones=[1, 2], lr=0.1, min_lr=0, warmup_steps=2)
    trainer = quiet_trainer(tmp_path, max_epochs=3, callbacks=[rates], limit_val_batches=0)
    trainer.fit(task, datamodule=TinyData(train=12))
    factor = [rate / 0.1 for rate in rates.seen[2:]]
    assert factor == pytest.approx([1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lr_schedule": "steps"}, "milestones="),
        ({"milestones": (8, 11)}, "milestones="),
        ({"lr_schedule": "steps", "milestones": (11, 8)}, "ascending"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
        ({"lr_schedule": "linear"}, "'cosine' or 'steps'"),
    ],
)
def test_settings_of_steps_that_do_not_fit_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        OptimSettings(lr=1.0, **options)
