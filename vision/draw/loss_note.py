"""Why the losses of training and validation differ by more than the data, in one sentence."""

from collections.abc import Mapping
from typing import Any


def loss_note(arguments: Mapping[str, Any]) -> str:
    """Name what only the training loss counts.

    Args:
        arguments: Arguments of the task, plain values.

    Returns:
        A sentence for the chart of the losses; empty if both count the same.
    """
    mix = arguments.get("mix")
    mix = mix if isinstance(mix, Mapping) else {}
    parts = []
    if smoothing := arguments.get("label_smoothing"):
        parts.append(f"label smoothing ({smoothing:g})")
    parts += [name for name in ("mixup", "cutmix") if mix.get(name)]
    if not parts:
        return ""
    named = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"Only the training loss includes {named}, which raises it."
