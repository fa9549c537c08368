"""Read a weights file without running any code that it may contain."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from vision.errors import VisionError, WeightsError
from vision.reading import MAX_WEIGHTS_BYTES, require_file, shown_path
from vision.weights.names import dino, mmdet
from vision.weights.plain_load import load_plain, refused_object
from vision.weights.prefixes import BRANCHES, Branch, choose_branch
from vision.weights.tensors import check_tensors

WHAT = "weights file"
# Where training scripts put the weights of a checkpoint, averaged weights first.
_WRAPPERS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
)
# What DataParallel and AveragedModel put before every key, and torch.compile before any part.
_PARALLEL = "module."
_COMPILED = "_orig_mod."
_MAX_WRAPPERS = 8
# AveragedModel counts its updates beside the weights.
_COUNTER = "n_averaged"


class Weights(NamedTuple):
    """Weights and class names from a checkpoint.

    Attributes:
        state: Tensor by key, on the CPU, with the prefixes of DataParallel and torch.compile
            removed.
        class_names: Names of the classes by index; None if the checkpoint does not say.
    """

    state: dict[str, Tensor]
    class_names: list[str] | None


def read_weights(
    source: str | os.PathLike[str] | Mapping[str, Any], *, branch: Branch | None = None
) -> Weights:
    """Read the tensors of a checkpoint, and the names of its classes.

    Args:
        source: As for `read_state_dict`.
        branch: Which of two networks that were trained together, where there are two.

    Raises:
        WeightsError: As for `read_state_dict`; or there are two networks and none is chosen.
    """
    path = None if isinstance(source, Mapping) else Path(source)
    name = "the given state dict" if path is None else f"{WHAT} {shown_path(path)}"
    if not isinstance(source, Mapping):
        source = _read_file(Path(source))
    tensors = _find_tensors(source, _WRAPPERS if branch is None else (branch, *_WRAPPERS))
    if not tensors and branch is None and all(name in source for name in BRANCHES):
        tensors = {
            f"{one}.{key}": tensor
            for one in BRANCHES
            for key, tensor in _find_tensors(source, (one, *_WRAPPERS)).items()
        }
    if not tensors:
        raise WeightsError(
            f"{name} holds no tensors. Expected a state dict, or a checkpoint that has one "
            f"under one of {', '.join(_WRAPPERS)}; found {', '.join(list(map(str, source))[:8])}."
        )
    if path is not None:
        check_tensors(tensors, name)
    state = _without_wrappers(choose_branch(tensors, branch))
    defaults = mmdet.default_class_names(state) or dino.default_class_names(state)
    return Weights(state, _find_class_names(source) or defaults)


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
    return read_weights(source).state


def read_class_names(source: str | os.PathLike[str] | Mapping[str, Any]) -> list[str] | None:
    """Read the names of the classes that a checkpoint was trained on.

    Args:
        source: As for `read_state_dict`: a checkpoint of ours, which has them under `class_names`,
            or of mmdet, which has them in `meta` under `CLASSES` or `dataset_meta`.

    Returns:
        The names by class index; None if the checkpoint does not say. A detector of mmdet with 80
        classes and no names has COCO's, and so has one of DINO's code with 91, by category id.

    Raises:
        WeightsError: As for `read_state_dict`.
    """
    return read_weights(source).class_names


def _read_file(path: Path) -> Mapping[str, Any]:
    require_file(path, max_bytes=MAX_WEIGHTS_BYTES, what=WHAT, error=WeightsError)
    if path.stat().st_size == 0:
        raise WeightsError(f"{WHAT} {shown_path(path)} is empty; copy or download it again.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(
                f"{WHAT} {shown_path(path)} is not a whole safetensors file ({error}); "
                "copy or download it again."
            ) from error
    try:
        checkpoint = load_plain(path, what=WHAT, error=WeightsError)
    except VisionError:
        raise
    # On bytes that are no checkpoint the unpickler may stumble over anything.
    except Exception as error:
        raise WeightsError(_refusal(path, error)) from error
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(
            f"{WHAT} {shown_path(path)} holds a {type(checkpoint).__name__}, expected a state dict."
        )
    return checkpoint


def _refusal(path: Path, error: Exception) -> str:
    if found := refused_object(error):
        remedy = "save only its tensors with safetensors in a separate environment and load that."
        if "mmengine." in str(error):
            remedy = (
                "save only its 'state_dict' and 'meta', without the 'message_hub' of the "
                "training, in an environment with mmengine and load that: c = torch.load(PATH, "
                "map_location='cpu', weights_only=False); torch.save({k: c[k] for k in "
                "('state_dict', 'meta')}, NEW_PATH)."
            )
        return (
            f"weights file '{path}' was refused: besides tensors and plain values it holds "
            f"'{found}', and loading such objects can run code. If you trust the file, {remedy}"
        )
    # The unpickler's own message is in the middle of long advice.
    text = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    reason = re.split(r"[.\n]", text, maxsplit=1)[0] or type(error).__name__
    return (
        f"weights file '{path}' is truncated or no PyTorch checkpoint ({reason}); "
        "copy or download it again."
    )


def _without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = {key.replace(_COMPILED, ""): value for key, value in tensors.items()}
    rest = [key for key in tensors if key != _COUNTER]
    if rest and all(key.startswith(_PARALLEL) for key in rest):
        return {key.removeprefix(_PARALLEL): tensors[key] for key in rest}
    return tensors


def _find_tensors(
    checkpoint: Mapping[str, Any], wrappers: Sequence[str], depth: int = 0
) -> dict[str, Tensor]:
    # A damaged file may hold a dict that holds itself.
    for wrapper in wrappers if depth < _MAX_WRAPPERS else ():
        inner = checkpoint.get(wrapper)
        if isinstance(inner, Mapping) and (tensors := _find_tensors(inner, wrappers, depth + 1)):
            return tensors
    return {str(key): value for key, value in checkpoint.items() if isinstance(value, Tensor)}


def _find_class_names(checkpoint: Mapping[str, Any]) -> list[str] | None:
    meta = _mapping(checkpoint.get("meta"))
    dataset = _mapping(meta.get("dataset_meta"))
    for names in (
        checkpoint.get("class_names"),
        meta.get("CLASSES"),
        dataset.get("classes"),
        dataset.get("CLASSES"),
    ):
        is_list = isinstance(names, Sequence) and not isinstance(names, str)
        if is_list and names and all(isinstance(name, str) for name in names):
            return list(names)
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
