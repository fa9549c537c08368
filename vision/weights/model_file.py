"""A trained model in one file: its tensors as safetensors, its description in the header."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from vision.contracts.models import ModelDescription
from vision.documents.json_text import parse_json
from vision.errors import CheckpointError, WeightsError
from vision.files import replace_file
from vision.reading import MAX_WEIGHTS_BYTES, require_file
from vision.weights.description import check_description

# Entry of the header, beside "format", which other libraries look for.
KEY = "vision"


def write_model(
    path: str | os.PathLike[str],
    state: Mapping[str, Tensor],
    description: ModelDescription,
) -> Path:
    """Write tensors and description; the file appears only when it is complete.

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
        Tensor by key, on the CPU, and the description, checked; None for a file of only tensors.

    Raises:
        WeightsError: The file is absent, truncated, or no safetensors file.
        CheckpointError: Its description is damaged, or not one that the suite writes.
    """
    with _opened(Path(path)) as file:
        described = _description(Path(path), file.metadata() or {})
        return {key: file.get_tensor(key) for key in file.keys()}, described  # noqa: SIM118


def read_header(
    path: str | os.PathLike[str],
) -> tuple[dict[str, tuple[str, list[int]]], ModelDescription | None]:
    """Read what `write_model` has written, without the tensors.

    Returns:
        Type, as safetensors calls it, and shape of each tensor by key; and the description.

    Raises:
        WeightsError: As for `read_model`.
        CheckpointError: As for `read_model`.
    """
    with _opened(Path(path)) as file:
        described = _description(Path(path), file.metadata() or {})
        parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        return {key: (part.get_dtype(), part.get_shape()) for key, part in parts.items()}, described


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    require_file(path, max_bytes=MAX_WEIGHTS_BYTES, what="model file", error=WeightsError)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"'{path}' is truncated or no safetensors file ({error}); copy or download it again."
        ) from error


def _description(path: Path, header: Mapping[str, str]) -> ModelDescription | None:
    if KEY not in header:
        return None
    given = parse_json(
        header[KEY], f"the description in the header of '{path}'", error=CheckpointError
    )
    try:
        return check_description(given)
    except CheckpointError as error:
        raise CheckpointError(f"'{path}': {error}") from error
