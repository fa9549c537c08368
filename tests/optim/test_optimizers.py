"""The optimiser of a task: its groups, and what a trainer cannot do with it."""

from types import SimpleNamespace
from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from helpers.tiny_task import tiny_task
from torch.optim import AdamW

from vision.errors import ConfigError
from vision.optim import optimizers
from vision.optim.muon import MATRICES
from vision.optim.names import ELEMENTWISE
from vision.optim.optimizers import build_optimizer, check_precision
from vision.optim.settings import OptimSettings
from vision.tasks import Classification


def test_muon_trains_the_matrices_of_the_backbone() -> None:
    name, options = TINY["swin"]
    task = Classification(
        name, 3, backbone_options=options, optim={"name": "muon", "layer_decay": 0.5}
    )
    names = {id(p): name for name, p in task.named_parameters()}
    optimizer = build_optimizer(task, task.optim)
    trained: dict[bool, set[str]] = {True: set(), False: set()}
    for group in optimizer.param_groups:
        trained[group[MATRICES]] |= {names[id(p)] for p in group["params"]}
    assert trained[True] | trained[False] == set(names.values())
    assert "backbone.stages.1.0.attn.qkv.weight" in trained[True]
    assert "backbone.stages.1.0.mlp.fc1.weight" in trained[True]
    assert "backbone.merges.1.reduction.weight" in trained[True]
    others = ("head.fc.weight", "backbone.patch_embed.proj.weight", "backbone.norm.weight")
    assert trained[False] >= set(others)
    assert "backbone.stages.1.0.attn.relative_position_bias_table" in trained[False]
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == sorted(rates)


def test_the_default_is_fused_adamw() -> None:
    task = tiny_task(lr=1e-3, weight_decay=0.05)
    optimizer = build_optimizer(task, task.optim)
    assert type(optimizer) is AdamW
    assert optimizer.defaults == AdamW(task.parameters(), lr=1e-3, fused=True).defaults
    sizes = [(group["weight_decay"], len(group["params"])) for group in optimizer.param_groups]
    decayed = [p for p in task.parameters() if p.ndim > 1]
    others = [p for p in task.parameters() if p.ndim <= 1]
    assert sizes == [(0.05, len(decayed)), (0.0, len(others))]


def test_spread_parameters_need_an_elementwise_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "sharded_model", lambda module: object())
    task = tiny_task()
    for name in ("lamb", "muon", "adafactor"):
        with refuses(ConfigError, f"optim.name='{name}'", "fsdp", "adamw", "ddp"):
            build_optimizer(task, OptimSettings(name=name))
    for name in ("lion", "sgd"):
        assert name in ELEMENTWISE
        assert build_optimizer(task, OptimSettings(name=name)).param_groups


@pytest.mark.parametrize(
    ("fused", "precision", "clip", "fits"),
    [
        (True, "16-mixed", 1.0, False),
        (True, "16-mixed", None, True),
        (True, "bf16-mixed", 1.0, True),
        (False, "16-mixed", 1.0, True),
    ],
)
def test_fused_steps_cannot_be_clipped_in_half_precision(
    fused: bool, precision: str, clip: float | None, fits: bool
) -> None:
    trainer: Any = SimpleNamespace(precision=precision, gradient_clip_val=clip)
    settings = OptimSettings(options={"fused": fused})
    if fits:
        check_precision(trainer, settings)
        return
    with refuses(ConfigError, "fused", "gradient_clip_val=1.0", "bf16-mixed"):
        check_precision(trainer, settings)
