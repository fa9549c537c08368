"""Weights that are spread by other means than fsdp and fsdp2 are refused before the first step."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from vision.errors import ConfigError
from vision.optim.fsdp2 import FullyShard

REMEDY = r"not supported.* --trainer.strategy fsdp2 .*or --trainer.strategy fsdp"


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def leave_group() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@pytest.mark.parametrize("run", ["fit", "validate"])
def test_lightnings_strategy_is_refused(run: str, tmp_path: Path) -> None:
    strategy = ModelParallelStrategy(process_group_backend="gloo")
    trainer = quiet_trainer(tmp_path, max_epochs=1, devices=1, strategy=strategy)
    task = tiny_task()
    steps: list[Any] = []
    task.head.register_forward_hook(lambda *given: steps.append(given))
    try:
        with pytest.raises(ConfigError, match=rf"strategy=ModelParallelStrategy: .*{REMEDY}"):
            getattr(trainer, run)(task, TinyData())
    finally:
        leave_group()
    assert not steps


def test_half_precision_is_refused_with_fsdp2(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=1, devices=1, strategy=FullyShard())
    trainer.strategy.precision_plugin.precision = "16-mixed"
    try:
        with pytest.raises(ConfigError, match=r"16-mixed .*bf16-mixed.* --trainer.strategy fsdp"):
            trainer.fit(tiny_task(), TinyData())
    finally:
        leave_group()


def test_weights_that_a_task_spreads_itself_are_refused(tmp_path: Path, one_process: None) -> None:
    task = tiny_task(channels_last=False)  # which fully_shard refuses itself

    def configure_model() -> None:
        fully_shard(task.backbone, mesh=init_device_mesh("cpu", (1,)))

    task.configure_model = configure_model
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    with pytest.raises(ConfigError, match=rf"fully_shard .*{REMEDY}"):
        trainer.fit(task, TinyData())


def test_weights_that_another_trainer_has_spread_are_refused(tmp_path: Path) -> None:
    task = tiny_task()
    try:
        first = quiet_trainer(tmp_path, max_epochs=1, devices=1, strategy=FullyShard())
        first.fit(task, TinyData())
        second = quiet_trainer(tmp_path, max_epochs=1, devices=1, strategy=FullyShard())
        with pytest.raises(ConfigError, match=r"spread .*that trainer, or load its checkpoint"):
            second.validate(task, TinyData(), verbose=False)
    finally:
        leave_group()
