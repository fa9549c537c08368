"""Train tiny backbones on several connected processes in float64, each with a slice of the batch.

python spread_training.py FOLDER: the first process writes the weights to FOLDER/weights.pt, and
what the last step has sent to FOLDER/sent.json.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from helpers.tiny_models import TINY
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from vision.backbones.registry import create_backbone
from vision.benchmarks.collectives import Collectives, distribute
from vision.benchmarks.embedding import Embedding

STRATEGIES = ("ddp", "fsdp2")
FAMILIES = ("convnext", "tnt")  # a pyramid of convolutions, and one map of tokens
STEPS, IMAGES = 2, 4


def build(family: str) -> Embedding:
    """A backbone in float64, always with the same weights, without batch statistics."""
    torch.manual_seed(0)
    name, options = TINY[family]
    model = Embedding(create_backbone(name, **{**options, "drop_path_rate": 0.0})).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.contiguous()
    return model


def draw_batch() -> tuple[Tensor, Tensor]:
    """Images `(4, 3, 64, 64)`, and numbers `(4,)` that their vectors have to sum to."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(IMAGES, 3, 64, 64, dtype=torch.float64, generator=generator)
    return images, torch.randn(IMAGES, dtype=torch.float64, generator=generator)


def train(model: nn.Module, images: Tensor, targets: Tensor) -> Collectives:
    """Some steps of SGD with clipped gradients; returns what the last one has sent."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        with Collectives() as counted:
            loss = (model(images).sum(1) - targets).square().mean()
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return counted


def main(folder: Path) -> None:
    distributed.init_process_group("gloo")
    rank, count = distributed.get_rank(), distributed.get_world_size()
    images, targets = (part.chunk(count)[rank] for part in draw_batch())
    weights: dict[str, Any] = {}
    sent: dict[str, Any] = {}
    for family in FAMILIES:
        for strategy in STRATEGIES:
            model = distribute(build(family), strategy)
            counted = train(model, images, targets)
            options = StateDictOptions(full_state_dict=True)
            weights[f"{family} {strategy}"] = get_model_state_dict(model, options=options)
            sent[f"{family} {strategy}"] = counted.totals()
    if rank == 0:
        torch.save(weights, folder / "weights.pt")
        (folder / "sent.json").write_text(json.dumps(sent))
    distributed.destroy_process_group()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
