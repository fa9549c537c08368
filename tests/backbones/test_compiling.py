"""Every backbone under `torch.compile`, whole and by blocks: its outputs, and how many graphs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.graphs import CountingCompiler
from helpers.tiny_models import TINY, build, images_of, randomise
from torch import fx
from torch._dynamo.backends.registry import lookup_backend

FAMILIES = sorted(TINY)
# Both sides change at once from the first size to the second, as they do in a mixed dataset.
SIZES = [(64, 64), (96, 72), (65, 97), (128, 72), (81, 81), (100, 120), (96, 64)]
SIZES += [(77, 64), (90, 130), (111, 65), (64, 150), (133, 133), (88, 99)]
# Tracing a block with unknown sizes takes seconds: two stages have each kind of block of all four.
SHALLOW: dict[str, dict[str, Any]] = {
    # Every second block shifts its windows.
    "swin": {"depths": (2, 1), "num_heads": (1, 2)},
    # The last stage attends over whole maps.
    "cswin": {"depths": (1, 1), "split_sizes": (2, 4), "num_heads": (2, 4)},
    # The last stage has a class token.
    "cvt": {
        "dims": (16, 48),
        "depths": (1, 1),
        "num_heads": (1, 3),
        "patch_sizes": (7, 3),
        "patch_strides": (4, 2),
        "patch_paddings": (2, 1),
        "class_token": (False, True),
    },
    "tnt": {"depth": 1},
    # Attention along both axes one after the other, and over whole maps.
    "rmt": {
        "dims": (16, 32),
        "depths": (1, 1),
        "num_heads": (2, 2),
        "init_values": (2, 2),
        "head_ranges": (4, 4),
        "mlp_ratios": (2, 2),
        "decomposed": (True, False),
        "layer_scales": (False, False),
    },
    "hornet_7x7": {
        "depths": (1, 1),
        "orders": (2, 3),
        "scales": (1 / 3, 1 / 3),
        "global_filters": (None, None),
    },
    "hornet_gf": {
        "depths": (1, 1),
        "orders": (2, 3),
        "scales": (1 / 3, 1 / 3),
        "global_filters": (None, (6, 4)),
    },
    "convnext": {"dims": (16, 32), "depths": (1, 1)},
}
# Kinds of blocks in these: the shift is one more, and TNT's blocks are all alike.
KINDS = {family: 2 for family in FAMILIES} | {"swin": 3, "tnt": 1}


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_have_few_graphs_for_all_sizes(family: str, compiler: CountingCompiler) -> None:
    backbone = randomise(build(family, **SHALLOW[family])).eval()
    inputs = [images_of(height, width, batch=2) for height, width in SIZES]
    expected = [backbone(images) for images in inputs]
    backbone.compile_blocks()
    for images, maps in zip(inputs, expected, strict=True):
        for x, y in zip(backbone(images), maps, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
    counts = [len(made) for made in compiler.programs]
    assert len(counts) == KINDS[family]
    assert all(1 <= count <= 2 for count in counts), counts


# Backbones with windows or stripes: AOTAutograd sees only their first graph, whose sizes are known.
# With unknown ones it takes as long again as making the graph does.
WINDOWED = ("swin", "cswin", "rmt")


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_compiles_whole_and_seldom(family: str) -> None:
    torch._dynamo.reset()
    backbone = randomise(build(family, **SHALLOW[family])).eval()
    graphs = []

    def backend(graph: fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        graphs.append(graph)
        name = "eager" if family in WINDOWED and len(graphs) > 1 else "aot_eager"
        return lookup_backend(name)(graph, inputs)

    compiled = torch.compile(backbone, fullgraph=True, backend=backend)
    for height, width in SIZES:
        images = images_of(height, width, batch=2)
        for x, y in zip(compiled(images), backbone(images), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
    assert 2 <= len(graphs) <= 3
