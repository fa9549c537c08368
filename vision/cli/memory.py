"""What to change when memory is full."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vision.errors import VisionError

# How PyTorch's allocator on the CPU says so, which raises a plain RuntimeError.
_CPU_ALLOCATOR = "DefaultCPUAllocator"


@contextmanager
def advice_on_full_memory(batch_size: int, accumulated: int) -> Iterator[None]:
    """Turn an out-of-memory error into one that says what to change.

    Args:
        batch_size: Images per batch and device.
        accumulated: Batches per optimiser step.

    Raises:
        VisionError: Memory was full.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _advice(error, batch_size, accumulated) from error
    except RuntimeError as error:
        if _CPU_ALLOCATOR in str(error):
            raise _advice(error, batch_size, accumulated) from error
        raise


def _advice(error: BaseException, batch_size: int, accumulated: int) -> VisionError:
    device = "the GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "memory"
    half = max(1, batch_size // 2)
    return VisionError(
        f"{device} is full at {batch_size} images per batch. Any of these needs less:\n"
        f"  --data.batch_size {half} --trainer.accumulate_grad_batches {2 * accumulated}"
        "   (the same optimiser steps)\n"
        "  --trainer.precision bf16-mixed\n"
        "  --model.grad_checkpointing true   (slower by about a third)\n"
        "  a smaller --data.image_size or --model.backbone\n"
        f"{str(error).strip().partition(chr(10))[0][:160]}"
    )
