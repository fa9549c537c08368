"""A trained model in one file: its tensors as safetensors, and in the header what they are of."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vision.contracts import ModelDescription
from vision.errors import WeightsError
from vision.files import replace_file

# Entry of the header, beside "format", which other libraries look for.
KEY = "vision"


def write_model(
    path: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    description: ModelDescription,
) -> Path:
    """Write tensors and description, beside the place first: no half of a file is left.

    Args:
        path: The file, `.safetensors`; its folder is made.
        state: Tensor by key.
        description: Plain values, which are written as JSON.

    Returns:
        The path.

    Raises:
        WeightsError: It cannot be written; what was there is unchanged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    # Parameters that share memory are written once each; a loaded model shares them again.
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    header = {"format": "pt", KEY: json.dumps(description)}
    try:
        replace_file(path, lambda place: save_file(tensors, place, metadata=header))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"the model '{path}' cannot be written: {error}") from error
    return path


def read_model(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Tensor], ModelDescription | None]:
    """Read what `write_model` has written.

    Returns:
        Tensor by key, on the CPU, and the description; None for a file of tensors alone.

    Raises:
        WeightsError: The file is absent, truncated, no safetensors file, or its description is
            damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no model file '{path}' (looked at {path.resolve()}).")
    try:
        with safe_open(path, framework="pt") as file:
            header: Mapping[str, str] = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"'{path}' is truncated or no safetensors file ({error}); copy or download it again."
        ) from error
    return state, _description(path, header)


def _description(path: Path, header: Mapping[str, str]) -> ModelDescription | None:
    if KEY not in header:
        return None
    try:
        description: Any = json.loads(header[KEY])
    except json.JSONDecodeError as error:
        raise WeightsError(
            f"the description in the header of '{path}' is damaged: {error}"
        ) from error
    if not isinstance(description, dict):
        raise WeightsError(
            f"the description in the header of '{path}' is a {type(description).__name__}, "
            "expected a mapping."
        )
    return description  # type: ignore[return-value]
