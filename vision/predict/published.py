"""A published backbone as a model that makes features."""

import torch

from vision import tasks
from vision.predict.model import Model


def load_backbone(
    name: str, *, weights: bool | str = True, device: str | torch.device | None = None
) -> Model:
    """Load a published backbone for its features: `load_backbone("swin_tiny").embed(images)`.

    Args:
        name: A name of `vision.list_backbones()`, or `"timm/NAME"`.
        weights: True for the published weights, or a path, `"hf://owner/repo[/file]"` or URL.
        device: Where it runs; None leaves it on the CPU.

    Returns:
        A model of which only `embed` means anything: its classifier is not trained. Images are
        prepared as the published weights expect.

    Raises:
        ConfigError: The name is unknown.
        WeightsError: The weights are not available, or do not fit.
    """
    task = tasks.Classification(name, num_classes=1, pretrained=weights)
    description = task.describe()
    spec = description["input"]
    description["preprocessing"] = {
        "image_size": int(spec["size"][0]),
        "crop": spec["crop"],
        "interpolation": spec["interpolation"],
    }
    return Model(task, description, device=device)
