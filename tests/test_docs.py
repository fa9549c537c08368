"""The code in the documentation runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"


def run_example(page: str, start: str) -> dict[str, Any]:
    """Run the Python block of a page that begins with `start`; its names are returned."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    (code,) = [block for block in blocks if block.startswith(start)]
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec"), names)
    return names


def test_the_backbone_of_the_backbones_page() -> None:
    names = run_example("backbones.md", "import torch, vision")
    assert [tuple(x.shape[1:]) for x in names["maps"]] == [
        (96, 57, 84),
        (192, 29, 42),
        (384, 15, 21),
        (768, 8, 11),
    ]
    assert names["vector"].shape == (2, 768)


def test_the_dataset_of_the_data_page(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for name in ("daisy_0", "daisy_1", "rose_0", "rose_1"):
            pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f"{name}.jpg")
    module = run_example("data.md", '"""Flowers')["Flowers"]
    data = module(root=str(tmp_path), image_size=32, batch_size=4)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (4, 3, 32, 32)
    assert batch["image"].dtype == torch.uint8
    assert batch["label"].tolist() == [0, 0, 1, 1]
