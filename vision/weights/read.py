"""Read a weights file without running any code that it may contain."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.errors import WeightsError

# Where training scripts put the weights of a checkpoint, averaged weights first.
_WRAPPERS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
)
# Prefixes that wrappers put before every key: DataParallel, torch.compile.
_PREFIXES = ("module.", "_orig_mod.")


def read_state_dict(source: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        source: Path of a `.safetensors` file or of a PyTorch checkpoint (`.pth`, `.pt`, `.ckpt`),
            or an already loaded state dict or checkpoint. In a training checkpoint the averaged
            (EMA) weights are preferred where there are any.

    Returns:
        Tensor by key, on the CPU, with the prefixes of DataParallel and torch.compile removed.

    Raises:
        WeightsError: The file is absent, truncated, no weights file, or holds Python objects
            other than tensors and plain values.
    """
    name = "the given state dict"
    if not isinstance(source, Mapping):
        name = f"'{source}'"
        source = _read_file(Path(source))
    tensors = _find_tensors(source)
    if not tensors:
        raise WeightsError(
            f"{name} holds no tensors. Expected a state dict, or a checkpoint that has one "
            f"under one of {', '.join(_WRAPPERS)}; found {', '.join(list(map(str, source))[:8])}."
        )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _read_file(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise WeightsError(f"there is no weights file '{path}' (looked at {path.absolute()}).")
    if path.stat().st_size == 0:
        raise WeightsError(f"weights file '{path}' is empty; copy or download it again.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(
                f"weights file '{path}' is not a whole safetensors file ({error}); "
                "copy or download it again."
            ) from error
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(_refusal(path, error)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        first_line = str(error).partition("\n")[0]
        raise WeightsError(
            f"weights file '{path}' is truncated or no PyTorch checkpoint ({first_line}); "
            "copy or download it again."
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(
            f"weights file '{path}' holds a {type(checkpoint).__name__}, expected a state dict."
        )
    return checkpoint


def _refusal(path: Path, error: Exception) -> str:
    text = str(error)
    found = next((line.strip() for line in text.splitlines() if "GLOBAL" in line), "")
    detail = f" ({found.partition('. Please')[0]})" if found else ""
    return (
        f"weights file '{path}' was refused: it holds more than tensors and plain values, or is "
        f"no PyTorch checkpoint{detail}. Loading such a file can run code. If you trust it, save "
        "its tensors alone with safetensors in a separate environment and load that."
    )


def _find_tensors(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        inner = checkpoint.get(wrapper)
        if isinstance(inner, Mapping) and (tensors := _find_tensors(inner)):
            return tensors
    return {str(key): value for key, value in checkpoint.items() if isinstance(value, Tensor)}
