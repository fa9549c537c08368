"""Counts that do not depend on the machine: work, memory, operators, graphs, waits, sizes of files.

Work is that of a published variant of each family; all else is counted on the same widths with few
blocks, as all blocks of a stage are alike: a block that costs more then shows all the more. Waits
are those of a training step of each kind of task.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from vision.backbones.base import Backbone
from vision.backbones.encoder import MemoryMode
from vision.backbones.measure import count_gmacs
from vision.backbones.registry import create_backbone
from vision.benchmarks.kept import in_mode, kept_bytes
from vision.benchmarks.operators import count_operators
from vision.benchmarks.waits import WAITING, count_waits
from vision.export.backbone import BackboneGraph
from vision.export.onnx import export_onnx

# A published variant of each family, and what leaves it few blocks; two where they alternate.
SHORTENED: dict[str, dict[str, Any]] = {
    "swin_tiny": {"depths": (2, 1, 1, 1)},
    "cswin_tiny": {"depths": (1, 1, 1, 1)},
    "cvt_13": {"depths": (1, 1, 1)},
    "tnt_small": {"depth": 1},
    "rmt_tiny": {"depths": (1, 1, 1, 1)},
    "hornet_tiny_7x7": {"depths": (1, 1, 1, 1)},
    "hornet_tiny_gf": {"depths": (1, 1, 1, 1)},
    "convnext_tiny": {"depths": (1, 1, 1, 1)},
}
SIDE = 224
# Where something is computed, by few pixels.
SMALL_SIDE = 64
Counts = dict[str, float]


COUNTED: tuple[str, ...] = (*SHORTENED, *WAITING)


def count_one(name: str) -> Counts:
    """All counts of one of `COUNTED`, by what is counted: of a backbone, or of a training step."""
    return count_waits(name) if name in WAITING else count_backbone(name)


def count_backbone(name: str) -> Counts:
    """All counts of one of `SHORTENED`, by what is counted.

    Args:
        name: Its name.
    """
    backbone = create_backbone(name, **SHORTENED[name])
    return {
        "FLOPs": count_flops(name),
        **count_kept(name),
        "graphs when compiled": count_graphs(backbone),
        **count_files(backbone),
        **count_calls(backbone),
    }


def count_flops(name: str) -> float:
    """Floating-point operations of the vector of one image, two for a multiply-add."""
    with torch.device("meta"):
        backbone = create_backbone(name).eval()
    return round(2e9 * count_gmacs(backbone, (SIDE, SIDE)))


def count_kept(name: str) -> Counts:
    """Bytes that a forward pass of one image keeps for the backward pass, in each memory mode."""
    return {
        f"bytes kept, {mode}": kept_bytes(
            in_mode(name, mode, **SHORTENED[name]), (1, 3, SIDE, SIDE), _embed
        )
        for mode in get_args(MemoryMode)
    }


def count_calls(backbone: Backbone) -> Counts:
    """Operators of a forward pass without gradients, and of forward and backward in each mode."""
    counts: Counts = {}
    images = torch.zeros(1, 3, SMALL_SIDE, SMALL_SIDE)
    with torch.no_grad():
        backbone.eval().embed(images)  # fills caches
        called = count_operators(partial(backbone.embed, images))
    counts["operators, inference"] = called.total()
    backbone.train()
    for mode in get_args(MemoryMode):
        backbone.set_memory(mode)
        # What a random draw chooses changes no count: drop path draws either way.
        called = count_operators(lambda: backbone.embed(images).sum().backward())
        backbone.zero_grad(set_to_none=True)
        counts[f"operators, training, {mode}"] = called.total()
    return counts


def count_graphs(backbone: Backbone) -> float:
    """Graphs that `torch.compile` makes of the vector of an image: one, and one more a break."""
    graphs = 0

    def count(module: torch.fx.GraphModule, inputs: Any) -> Callable[..., Any]:
        nonlocal graphs
        graphs += 1
        return module.forward

    backbone.eval()
    torch.compiler.reset()
    with torch.no_grad():
        torch.compile(backbone.embed, backend=count, dynamic=False)(
            torch.zeros(1, 3, SMALL_SIDE, SMALL_SIDE)
        )
    torch.compiler.reset()
    return graphs


def count_files(backbone: Backbone) -> Counts:
    """Nodes and bytes of an ONNX file of the maps; empty where the package onnx is absent."""
    if importlib.util.find_spec("onnx") is None:
        return {}
    import onnx

    backbone.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        example = torch.zeros(1, 3, SMALL_SIDE, SMALL_SIDE)
        export_onnx(BackboneGraph(backbone, outputs="features"), example, path, dynamic=())
        nodes = len(onnx.load(path, load_external_data=False).graph.node)
        return {"nodes in ONNX": nodes, "bytes in ONNX": path.stat().st_size}


def _embed(backbone: nn.Module, images: torch.Tensor) -> torch.Tensor:
    assert isinstance(backbone, Backbone), "it is built as one"
    return backbone.embed(images)
