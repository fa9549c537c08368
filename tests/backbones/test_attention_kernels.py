"""Which kernel of a GPU the attention of each backbone has, by PyTorch's rules for arguments."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vision import create_backbone

# By the width of a head: the kernel in half precision and in float32, in training. The table of
# docs/performance.md says the same.
KERNELS = {
    "swin_tiny": {32: ("efficient", "efficient")},
    "cswin_tiny": {32: ("flash", "efficient")},
    "cswin_large": {24: ("flash", "efficient"), 48: ("flash", "efficient")},
    "cvt_13": {64: ("flash", "efficient")},
    "tnt_small": {6: ("flash", "math"), 64: ("flash", "efficient")},
    "tnt_base": {10: ("flash", "math"), 64: ("flash", "efficient")},
    "rmt_tiny": {16: ("efficient", "efficient"), 32: ("efficient", "efficient")},
}


def kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dtype: torch.dtype) -> str:
    """The first kernel in PyTorch's order that takes such arguments in a type.

    `can_use_flash_attention` and `can_use_mem_efficient_attention` in ATen's sdp_utils.cpp, for
    compute capability 8 and later.
    """
    width, size = q.shape[-1], dtype.itemsize
    inputs = (q, k, v)
    fits = q.ndim == 4 and all(x.stride(-1) == 1 and x.shape[-1] == width for x in inputs)
    if fits and size == 2 and mask is None and width <= 256:
        return "flash"
    aligned = all(x.storage_offset() * size % 16 == 0 for x in inputs)
    if mask is not None:
        fits &= mask.stride(-1) == 1 and mask.dtype == q.dtype
    return "efficient" if fits and aligned and width * size % 16 == 0 else "math"


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_those_of_the_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[int, set[tuple[str, str]]] = {}
    fused = F.scaled_dot_product_attention

    def note(q: Tensor, k: Tensor, v: Tensor, attn_mask: Any = None, **options: Any) -> Tensor:
        half, single = (
            kernel(q, k, v, attn_mask, dtype) for dtype in (torch.bfloat16, torch.float32)
        )
        found.setdefault(q.shape[-1], set()).add((half, single))
        return fused(q, k, v, attn_mask=attn_mask, **options)

    monkeypatch.setattr("vision.layers.attention._is_for_gpu", lambda bias: True)
    monkeypatch.setattr(F, "scaled_dot_product_attention", note)
    # Shapes alone, on a device that is not the CPU.
    with torch.device("meta"):
        backbone = create_backbone(name).train()
        backbone.embed(torch.zeros(2, 3, 224, 224))
    assert found == {width: {kernels} for width, kernels in KERNELS[name].items()}
