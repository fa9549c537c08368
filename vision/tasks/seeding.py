"""Random numbers of a training step that do not depend on what ran before it."""

import torch
from lightning.pytorch import LightningModule

from vision.ops.seeds import mix


def seed_step(module: LightningModule, seed: int) -> None:
    """Seed PyTorch's generators, on the CPU and on the module's device, for the step to come.

    The numbers depend only on the seed, the epoch, the position in the epoch and the rank, so that
    a resumed run draws the same numbers as an uninterrupted one.

    Args:
        module: A module whose trainer has fetched a training batch.
        seed: Seed of the training.
    """
    trainer = module.trainer
    place = trainer.fit_loop.epoch_loop.batch_idx + 1
    own = mix("step", seed, trainer.current_epoch, place, module.global_rank)
    # Not torch.manual_seed, which would seed the GPUs of other processes as well.
    torch.default_generator.manual_seed(own)
    if module.device.type != "cpu":
        torch.get_device_module(module.device).manual_seed(own)
