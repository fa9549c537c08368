"""A short run in which everything has a state of its own, for the tests of resuming."""

from pathlib import Path

import torch
from PIL import Image

# Shuffling, workers, augmentation, mixing, dropout, drop path, averages, accumulation, schedule.
# 24 training images make 6 batches, 3 optimiser steps per epoch.
CONFIG = """
name: run
model:
  class_path: Classification
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 16, 24, 32], depths: [1, 1, 1, 1], drop_path_rate: 0.3}
    drop_rate: 0.2
    optim: {lr: 1.0e-2, warmup_epochs: 1}
    ema_decay: 0.9
    mix: {mixup: 0.8, cutmix: 1.0, erasing: 0.5}
data:
  class_path: ImageFolder
  init_args:
    root: images
    val_fraction: 0.25
    image_size: 32
    augment:
      interpolation: random
      rand_augment: rand-m9-mstd0.5-inc1
      color_jitter: 0.4
      albumentations: [{name: GaussNoise, p: 0.8}, {name: CoarseDropout, p: 0.5}]
    batch_size: 4
    num_workers: 2
trainer:
  max_epochs: 3
  accumulate_grad_batches: 2
  gradient_clip_val: 5.0
  log_every_n_steps: 1
  accelerator: cpu
threads: 1
checkpoint_every_n_steps: 1
"""
STEPS = 9


def write_resumed_run(folder: Path) -> Path:
    """Write `config.yaml` and its images; returns the folder."""
    (folder / "config.yaml").write_text(CONFIG)
    noise = torch.Generator().manual_seed(0)
    for label in ("cat", "dog"):
        for i in range(16):
            path = folder / "images" / label / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = torch.randint(0, 256, (6, 7, 3), dtype=torch.uint8, generator=noise)
            Image.fromarray(pixels.numpy()).resize((50, 44)).save(path)
    return folder
