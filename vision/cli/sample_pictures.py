"""Pictures to try a trained model on, for the commands at the end of a run."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.decoration import Decoration
from vision.files import replace_file
from vision.report.parts import image_paths

FOLDER = "samples"
COUNT = 8


def sample_pictures(data: Any, run: Path) -> Path | None:
    """Find pictures of the validation set; if they are in no files, write a few into the run.

    Args:
        data: A datamodule.
        run: Folder of the run.

    Returns:
        The folder of the pictures; None if there are none.
    """
    dataset = getattr(data, "val_dataset", None)
    paths = image_paths(dataset)
    if paths is not None and len(paths):
        folder = Path(paths[0]).parent
        return folder if folder.is_dir() else None  # shards have paths of their own
    with Decoration(f"the pictures in {run / FOLDER}"):
        return _write(dataset, run / FOLDER)
    return None


def _write(dataset: Any, folder: Path) -> Path | None:
    count = len(dataset) if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__") else 0
    for place in sorted({i * count // COUNT for i in range(min(COUNT, count))}):
        pixels = _pixels(dataset[place])
        if pixels is None:
            return None
        replace_file(folder / f"{place:05d}.png", partial(_save, pixels))
    return folder if count else None


def _save(pixels: Tensor, file: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")


def _pixels(sample: Any) -> Tensor | None:
    """The image of a sample, uint8 `(3, H, W)` without padding; None if there is none."""
    image = sample.get("image") if isinstance(sample, Mapping) else None
    if not isinstance(image, Tensor) or image.dtype != torch.uint8 or image.shape[:-2] != (3,):
        return None
    height, width = sample["size"].tolist() if "size" in sample else image.shape[-2:]
    return image[:, :height, :width]
