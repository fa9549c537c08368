"""The heads of mmsegmentation beside ours: reference tensors, its classes, names of parameters."""

import importlib.util
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.heads.segmentation.base import SegmentationHead
from vision.heads.segmentation.fcn import FCNHead
from vision.heads.segmentation.segformer import SegFormerHead
from vision.heads.segmentation.semantic_fpn import SemanticFPNHead
from vision.heads.segmentation.upernet import UPerHead
from vision.mmcv.operators import import_models
from vision.weights.names import mmseg

FOLDER = Path(__file__).parents[1] / "fixtures" / "mmseg"
NAMES = ("mmseg_uper", "mmseg_uper_align", "mmseg_fpn", "mmseg_segformer")
HEADS: dict[str, type[SegmentationHead]] = {
    "UPerHead": UPerHead,
    "FPNHead": SemanticFPNHead,
    "SegformerHead": SegFormerHead,
    "FCNHead": FCNHead,
}
# Their options that we call something else; the others that we have keep their names.
OPTIONS = {"dropout_ratio": "dropout"}
KEPT = {
    "channels",
    "num_classes",
    "align_corners",
    "kernel_size",
    "concat_input",
    "num_convs",
    "pool_scales",
}

needs_mmseg = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mmseg", "mmcv")),
    reason="mmsegmentation is not installed",
)


@dataclass
class Reference:
    """One reference file."""

    kind: str
    options: dict[str, Any]
    tensors: dict[str, Tensor]

    def folder(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name/`, by the rest of their keys."""
        start = name + "/"
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}


def read(name: str) -> Reference:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return Reference(metadata["class"], json.loads(metadata["kwargs"]), tensors)


def build(kind: str, options: dict[str, Any]) -> SegmentationHead:
    """Our head for the options of theirs."""
    channels = options["in_channels"]
    channels = channels if isinstance(channels, list) else [channels]
    specs = [FeatureSpec(width, 4 << i) for i, width in enumerate(channels)]
    ours = {OPTIONS.get(key, key): value for key, value in options.items()}
    kept = {key: ours[key] for key in ours if key in KEPT | set(OPTIONS.values())}
    return HEADS[kind](specs, **kept)


def build_theirs(kind: str, options: dict[str, Any]) -> nn.Module:
    """Their head itself."""
    heads = import_models("mmseg").decode_heads
    return getattr(heads, kind)(**options, norm_cfg={"type": "BN"})


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of their head under our names."""
    converted = mmseg.read({f"decode_head.{key}": value for key, value in weights.items()})
    return {key.removeprefix("head."): value for key, value in converted.items()}


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter and running statistic a value that it is not initialised with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            if value.ndim > 1:
                value.copy_(noise / value[0].numel() ** 0.5)
            elif name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            else:
                value.copy_(0.3 * noise + float(name.endswith("weight")))


def check_against_mmseg(kind: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    """Compare our head with theirs: evaluation, training, statistics of norms and gradients.

    Both have the same random weights, in float64, and no dropout.

    Args:
        kind: Name of their class.
        options: Its options.
        size: Height and width of an image whose maps have strides 4, 8, 16 and 32.
    """
    theirs = build_theirs(kind, {**options, "dropout_ratio": 0.0}).double()
    ours = build(kind, {**options, "dropout_ratio": 0.0}).double()
    randomise(theirs)
    ours.load_state_dict(convert(theirs.state_dict()))
    widths = options["in_channels"]
    maps = []
    for i, width in enumerate(widths if isinstance(widths, list) else [widths]):
        shape = (2, width, -(-size[0] // (4 << i)), -(-size[1] // (4 << i)))
        generator = torch.Generator().manual_seed(i)
        maps.append(torch.randn(shape, generator=generator, dtype=torch.float64))
    # Of sizes for which align_corners would be more precise.
    warnings.filterwarnings("ignore", message="When align_corners=True")
    with torch.no_grad():
        _close(ours.eval()(maps)["logits"], theirs.eval()(maps), "logits")
    results = []
    for head in (ours.train(), theirs.train()):
        leaves = [x.clone().requires_grad_() for x in maps]
        logits = head(leaves)
        logits = logits["logits"] if isinstance(logits, dict) else logits
        upstream = torch.Generator().manual_seed(9)
        logits.backward(torch.randn(logits.shape, generator=upstream, dtype=torch.float64))
        gradients = {n: p.grad for n, p in head.named_parameters() if p.grad is not None}
        results.append((logits.detach(), [x.grad for x in leaves], gradients))
    (logits, of_maps, of_weights), (their_logits, of_their_maps, of_their_weights) = results
    _close(logits, their_logits, "logits in training")
    for i, (actual, expected) in enumerate(zip(of_maps, of_their_maps, strict=True)):
        _close(actual, expected, f"gradient of map {i}")
    renamed = convert(of_their_weights)
    assert renamed.keys() == of_weights.keys() == dict(ours.named_parameters()).keys()
    for name, expected in renamed.items():
        _close(of_weights[name], expected, f"gradient of {name}")
    state = ours.state_dict()
    for name, expected in convert(theirs.state_dict()).items():
        _close(state[name].double(), expected.double(), name)


def _close(actual: Tensor, expected: Tensor, what: str) -> None:
    assert actual.shape == expected.shape, what
    error = ((actual - expected).abs().max() / expected.abs().max().clamp(min=1)).item()
    assert error < 1e-9, f"{what}: relative error {error:.1e}"
