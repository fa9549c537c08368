"""Tensors by key as a file for other programs."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vision.errors import WeightsError
from vision.files import replace_file


def write_state(path: Path, state: dict[str, Tensor], *, class_names: list[str] | None) -> None:
    """Write tensors by the suffix of the path, beside the place first.

    Args:
        path: `.safetensors` or `.pth`.
        state: Tensor by key.
        class_names: What a `.pth` says of the classes, as mmengine's checkpoints do; None leaves
            the state dict bare.
    """
    tensors = {key: tensor.contiguous().clone() for key, tensor in state.items()}

    def write(place: Path) -> None:
        if path.suffix == ".pth":
            meta = {"dataset_meta": {"classes": class_names}}
            torch.save({"meta": meta, "state_dict": tensors} if class_names else tensors, place)
        else:
            save_file(tensors, place, metadata={"format": "pt"})

    try:
        replace_file(path, write)
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"'{path}' cannot be written: {error}") from error
