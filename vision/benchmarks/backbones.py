"""Backbones against timm's and transformers' implementations of the same networks."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from vision.backbones.registry import create_backbone
from vision.benchmarks.timing import medians, print_head, print_row

TIMM_NAMES = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "swin_base": "swin_base_patch4_window7_224",
    "convnext_tiny": "convnext_tiny",
    "convnext_base": "convnext_base",
    "tnt_small": "tnt_s_patch16_224",
    "tnt_base": "tnt_b_patch16_224",
}
# Backbones that have a counterpart.
COMPARED = (*TIMM_NAMES, "cvt_13")


class TimmEmbedding(nn.Module):
    """The other side: the same vector from timm's model."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm

        self.model = timm.create_model(name, num_classes=0)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model(images)


class HuggingFaceCvt(nn.Module):
    """The other side for CvT: the class token of transformers' model."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import CvtConfig, CvtModel

        self.model = CvtModel(CvtConfig())

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model(images).cls_token_value[:, 0]


class Embedding(nn.Module):
    """Our side: `embed` as a module's call."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = create_backbone(name)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, D)`."""
        return self.model.embed(images)


def other_side(name: str) -> nn.Module | None:
    """The same network by timm or transformers, if one of them has it."""
    if name in TIMM_NAMES:
        return TimmEmbedding(TIMM_NAMES[name])
    return HuggingFaceCvt() if name == "cvt_13" else None


def inference(model: nn.Module, images: Tensor) -> None:
    """One forward pass without gradients."""
    with torch.inference_mode():
        model(images)


def training(model: nn.Module, images: Tensor) -> None:
    """One forward and backward pass."""
    model.zero_grad(set_to_none=True)
    model(images).square().mean().backward()


def kept_for_backward(model: nn.Module, images: Tensor) -> int:
    """Bytes of activations that one forward pass keeps for the backward pass."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(images)
    total = sum(kept.values())
    del output
    return total


def measure_backbones(
    *, names: Sequence[str], batch: int, size: int, rounds: int, warmup: int, device: str
) -> None:
    """Print time and kept memory of each backbone and its counterpart.

    Args:
        names: Backbones; one without a counterpart is measured by itself.
        batch: Images of a step.
        size: Their side in pixels.
        rounds: Measured steps of each side.
        warmup: Steps before them.
        device: Where to compute.
    """
    print_head()
    place = torch.device(device)
    for name in names:
        torch.manual_seed(0)
        images = torch.randn(batch, 3, size, size, device=place)
        sides = [side.to(place) for side in (Embedding(name), other_side(name)) if side is not None]
        for label, step in (("inference", inference), ("training", training)):
            for side in sides:
                side.train(step is training)
            steps = [partial(step, side, images) for side in sides]
            found = medians(steps, place, rounds=rounds, warmup=warmup)
            print_row(f"{name} {label}, ms/image", [1e3 * value / batch for value in found])
        memory = [kept_for_backward(side.train(), images) / 2**20 / batch for side in sides]
        print_row(f"{name} kept for backward, MiB/image", memory)
