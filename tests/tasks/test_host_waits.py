"""How often a training step waits for its device, against the table of docs/performance.md."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import (
    tiny_dense,
    tiny_detection,
    tiny_detection3d,
    tiny_lidar,
    tiny_panoptic,
    tiny_segmentation,
    tiny_task,
    tiny_volume_task,
)
from helpers.simulated_device import DEVICE, Waits, simulated_device
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from vision.callbacks.run.step_dump import is_finite
from vision.tasks import Classification
from vision.tasks.base import BaseTask

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
ROW = re.compile(r"\| `([\w ]+)` \| (\d+) \| (\d+) \|")
Made = tuple[BaseTask, Any]


MAKERS: dict[str, Callable[[], Made]] = {
    "classification": lambda: (
        tiny_task.tiny_task(mix={"mixup": 0.8, "cutmix": 1.0, "erasing": 0.25}),
        {"image": tiny_task.random_images(4), "label": tiny_task.random_labels(4)},
    ),
    **{
        name: lambda name=name: (
            tiny_segmentation.tiny_segmentor(segmentor=name),
            tiny_segmentation.random_batch(),
        )
        for name in ("upernet", "semantic_fpn", "segformer")
    },
    **{
        name: lambda name=name: (
            tiny_detection.tiny_detector(detector=name),
            tiny_detection.random_batch(),
        )
        for name in tiny_detection.SMALL
    },
    "panoptic": lambda: (tiny_panoptic.tiny_panoptic(), tiny_panoptic.random_batch()),
    **{
        f"{key} {decoder}": lambda key=key, decoder=decoder: (
            tiny_dense.tiny_dense(key, decoder),
            tiny_dense.random_batch(key),
        )
        for key, decoder in (("depth", "dpt"), ("normals", "polymax"))
    },
    "monodetr": lambda: (tiny_detection3d.tiny_detection3d(), tiny_detection3d.random_batch()),
    "flatformer": lambda: (tiny_lidar.tiny_lidar(), tiny_lidar.lidar_batch()),
    "volumes": lambda: (tiny_volume_task.tiny_volumes(), tiny_volume_task.random_batch()),
}


def table() -> dict[str, tuple[int, int]]:
    """Copies of numbers and lengths of lists of each row of the page."""
    rows = ROW.findall(PAGE.read_text())
    return {name: (int(reads), int(sizes)) for name, reads, sizes in rows}


def waits_of_step(name: str, patch: pytest.MonkeyPatch) -> Waits:
    """What a step waits for, from the augmentation to the gradients."""
    with simulated_device(patch) as waits:
        task, batch = MAKERS[name]()
        task.to(DEVICE).train()
        batch = tree_map_only(Tensor, lambda x: x.to(DEVICE), batch)
        waits.found.clear()
        step(task, batch)
    return waits


def step(task: BaseTask, batch: Any) -> None:
    """Gradients of a batch; those of the helpers are normalised, except for classification."""
    if isinstance(task, Classification):
        batch = task.augment(task.prepare(batch))
    task.training_step(batch, 0).backward()


def test_the_page_has_a_row_for_every_step() -> None:
    assert set(table()) == {*MAKERS, "check of the loss"}


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
@pytest.mark.parametrize("name", MAKERS)
def test_steps_wait_for_their_device_as_often_as_the_page_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waits_of_step(name, monkeypatch)
    assert waits.count("write") == 0, waits.found
    assert (waits.count("read"), waits.count("size")) == table()[name], waits.found


def test_the_check_of_a_step_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated_device(monkeypatch) as waits:
        layer = nn.Linear(3, 2).to(DEVICE)
        loss = layer(torch.ones(1, 3, device=DEVICE)).sum()
        loss.backward()
        waits.found.clear()
        assert is_finite(loss, [p.grad for p in layer.parameters() if p.grad is not None])
    assert (waits.count("read"), waits.count("size")) == table()["check of the loss"]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda x: x.sum().item(), "read"),
        (lambda x: bool(x.any()), "read"),
        (lambda x: x.tolist(), "read"),
        (lambda x: x.cpu(), "read"),
        (lambda x: x[x > 0], "size"),
        (lambda x: x.nonzero(), "size"),
        (lambda x: x.unique(), "size"),
        (lambda x: torch.tensor([1.0], device=x.device) + x, "write"),
        (lambda x: x.new_tensor([1.0]) + x, "write"),
        (lambda x: x[torch.tensor([0])], "write"),
    ],
)
def test_the_simulated_device_notes_what_waits(
    act: Callable[[Tensor], Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated_device(monkeypatch) as waits:
        x = torch.ones(3).to(DEVICE, non_blocking=True)
        assert not waits.found
        act(x * 2 + 1)
    assert [wait for wait, _ in waits.found] == [expected]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
@pytest.mark.parametrize("name", [name for name, waits in table().items() if not any(waits)])
def test_steps_without_a_row_of_the_page_do_not_wait_for_a_gpu(name: str) -> None:
    task, batch = MAKERS[name]()
    task.to("cuda").train()
    batch = tree_map_only(Tensor, lambda x: x.to("cuda"), batch)
    step(task, batch)  # kernels are loaded
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(task, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
