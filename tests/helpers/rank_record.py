"""A callback for the tests of several processes: what each has seen and ends with."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class RankRecord(Callback):
    """Writes `rank_N.pt`: objects in each training batch of a process, and its weights at the end.

    Args:
        folder: Where the files are written.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.objects: list[int] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        self.objects.append(sum(len(target["boxes"]) for target in batch["target"]))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.folder.mkdir(exist_ok=True)
        record = {"objects": self.objects, "state_dict": pl_module.state_dict()}
        torch.save(record, self.folder / f"rank_{trainer.global_rank}.pt")
