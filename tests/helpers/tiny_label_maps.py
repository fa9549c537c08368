"""Images in files and a task that knows their classes, for the tests of what is written of them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from vision.contracts.segmentation import IGNORED
from vision.metrics.segmentation import SegmentationEvaluator, SegmentationScores

CLASSES = ("sky", "road", "car")


def scene(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 `(H, W, 3)` and mask uint8 `(H, W)` number i; sizes differ, a row is ignored."""
    rng = np.random.default_rng(number)
    height, width = 12 + number % 3, 16 + number % 2
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.integers(0, 3, (height, width), dtype=np.uint8)
    mask[0] = IGNORED
    return image, mask


class Scenes:
    """The scenes, written below a folder by the relative paths of `names`."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.paths = [str(folder / name) for name in names]
        self.asked: list[int] = []
        for number, path in enumerate(self.paths):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene(number)[0]).save(path)

    def __len__(self) -> int:
        return len(self.paths)

    def example(self, place: int) -> tuple[Tensor, Tensor]:
        self.asked.append(place)
        image, mask = scene(place)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(mask)

    def batches(self) -> list[dict[str, Any]]:
        """Batches of two; the first comes again at the end, as filling."""
        return [
            *(self._batch(start) for start in range(0, len(self), 2)),
            {**self._batch(0), "repeated": True},
        ]

    def _batch(self, start: int) -> dict[str, Any]:
        places = list(range(start, min(start + 2, len(self))))
        masks = [torch.from_numpy(scene(place)[1]) for place in places]
        canvas = torch.full((len(places), 16, 20), IGNORED)
        for row, mask in zip(canvas, masks, strict=True):
            row[: mask.shape[0], : mask.shape[1]] = mask
        return {
            "index": torch.tensor(places),
            "path": [self.paths[place] for place in places],
            "original_size": torch.tensor([mask.shape for mask in masks]),
            "mask": canvas,
        }


class SceneData(LightningDataModule):
    """Loaders of the batches; `more` are further attributes, such as `palette`."""

    def __init__(self, scenes: Scenes, **more: Any) -> None:
        super().__init__()
        self.val_dataset = self.predict_dataset = scenes
        self.class_names = CLASSES
        for name, value in more.items():
            setattr(self, name, value)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(2, 1))  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val_dataset.batches(), batch_size=None)  # type: ignore[arg-type]

    predict_dataloader = val_dataloader


def found_in(number: int, right: float = 1.0) -> Tensor:
    """What the task finds in a scene: int64 `(H, W)`, right in a share of the rows from the top."""
    mask = torch.from_numpy(scene(number)[1]).long()
    rows = round(right * len(mask))
    mask[rows:] = (mask[rows:] + 1) % 3
    mask[0] = 1  # it is ignored
    return mask


class SceneTask(LightningModule):
    """Finds the classes of scene i in `rights[i]` of the rows, and logs `values` by epoch."""

    monitor = ("val/mIoU", "max")
    class_names = CLASSES

    def __init__(self, rights: list[float], values: tuple[float, ...] = (0.5,)) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.rights, self.values = rights, values
        self.evaluator = SegmentationEvaluator(len(CLASSES))
        self.segmentation_result: SegmentationScores | None = None

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.weight**2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[dict[str, Any]]:
        return [{"mask": found_in(place, self.rights[place])} for place in batch["index"].tolist()]

    def on_validation_epoch_start(self) -> None:
        self.evaluator.reset()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        predictions = self.predict_step(batch, batch_idx)
        if "repeated" not in batch:
            for one, mask in zip(predictions, batch["mask"], strict=True):
                height, width = one["mask"].shape
                self.evaluator.update(one["mask"], mask[:height, :width])
        return {"predictions": predictions}

    def on_validation_epoch_end(self) -> None:
        self.segmentation_result = self.evaluator.compute(CLASSES)
        self.log("val/mIoU", self.values[min(self.current_epoch, len(self.values) - 1)])
