"""Read a checkpoint of a run without running any code that it may contain."""

from pathlib import Path
from typing import Any

from vision.errors import CheckpointError, VisionError
from vision.weights.plain_load import load_plain, refused_object


def read_checkpoint(path: Path, *, mmap: bool = False, **options: Any) -> dict[str, Any]:
    """Read a checkpoint file.

    Args:
        path: The file.
        mmap: Whether tensors are read when they are used, where the format of the file allows it.
        options: Options of `torch.load`.

    Raises:
        CheckpointError: The file is absent, truncated, or holds other objects than tensors and
            plain values.
    """
    try:
        return load_plain(path, what="checkpoint", error=CheckpointError, mapped=mmap, **options)
    except VisionError:
        raise
    # On bytes that are no checkpoint the unpickler may stumble over anything.
    except Exception as error:
        if found := refused_object(error):
            raise CheckpointError(
                f"'{path}' was refused: besides tensors and plain values it holds '{found}', and "
                "loading such objects can run code."
            ) from error
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise CheckpointError(
            f"'{path}' is truncated, not a checkpoint of a run, or holds more than tensors and "
            f"plain values: {reason}"
        ) from error
