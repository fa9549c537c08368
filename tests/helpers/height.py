"""A task of one's own as a user writes it: how bright an image is, as a number and as a map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from vision.data import ImageData
from vision.optim.settings import OptimSettings
from vision.predict.demo_view import Cell, Control, View
from vision.predict.options import PredictOptions
from vision.predict.predictor import Predictor, Seen
from vision.predict.results import Result, to_picture
from vision.tasks import ImageTask

DEFAULTS = OptimSettings(warmup_epochs=0)
SIDE = 32


class Height(ImageTask):
    """Regresses one number of an image; it has no classes, and sets no column."""

    kind = "height"
    monitor = ("val/loss", "min")

    def __init__(
        self,
        backbone: str = "convnext",
        *,
        backbone_options: dict[str, Any] | None = None,
        pretrained: bool | str = False,
        weights: str | None = None,
        optim: OptimSettings = DEFAULTS,
        gain: float = 1.0,
    ) -> None:
        super().__init__(
            backbone,
            optim=optim,
            backbone_options=backbone_options,
            pretrained=pretrained,
            weights=weights,
        )
        self.gain = gain
        self.head = nn.Linear(self.backbone.embed_dim, 1)
        self.load_initial_weights()

    def forward(self, images: Tensor) -> Tensor:
        return self.run({"image": self.normalize(images)})

    def run(self, batch: Any) -> Tensor:
        return self.gain * self.head(self.embed(batch["image"]))[:, 0]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        terms = {"loss_height": F.mse_loss(self.run(batch), batch["height"])}
        return self.log_losses("train", terms, len(batch["image"]))

    def evaluate(self, stage: str, outputs: Tensor, batch: Any) -> None:
        self.log_losses(stage, {"loss_height": F.mse_loss(outputs, batch["height"])}, len(outputs))

    def predict_step(self, batch: Any, batch_idx: int) -> list[dict[str, Any]]:
        maps = batch["image"].mean(dim=1)
        pairs = zip(self.run(batch), maps, strict=True)
        return [{"height": height, "map": one} for height, one in pairs]


class HeightSamples(Dataset):
    """Random images with their brightness."""

    def __init__(self, first: int, count: int, *, with_path: bool = False) -> None:
        self.first, self.count, self.with_path = first, count, with_path
        self.paths = [f"pictures/{i}.png" for i in range(count)] if with_path else []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(self.first + index)
        image = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        if self.with_path:
            return {"image": image, "path": self.paths[index]}
        return {"image": image, "height": image.float().mean() / 255}


class Heights(ImageData):
    """A dataset of one's own, which needs no files."""

    kind = "height"

    def setup(self, stage: str) -> None:
        self.train_dataset = HeightSamples(0, 8)
        self.val_dataset = self.test_dataset = HeightSamples(100, 6)
        self.predict_dataset = HeightSamples(100, 6, with_path=True)


@dataclass(kw_only=True, eq=False, repr=False)
class HeightResult(Result):
    """The number of an image."""

    height: float

    def plot(self) -> Image:
        return to_picture(self.image)

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        return {**self._head(), "height": self.height}

    def _summary(self) -> str:
        return f"{self.height:.3f}"


class HeightPredictor(Predictor):
    """Predicts images that are scaled to the size of the training's."""

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        small = F.interpolate(image[None].float(), (SIDE, SIDE), mode="nearest-exact")[0]
        return {"image": small.to(torch.uint8)}

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> HeightResult:
        return HeightResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            height=float(prediction["height"]),
        )


class HeightView(View):
    """Shows the number."""

    headings = ("what", "metres")

    @property
    def control(self) -> Control:
        return Control("Zoom", "of nothing", 0, 1, 0.5, 0.1)

    def draw(self, result: HeightResult, setting: float) -> Image:
        return result.plot()

    def rows(self, result: HeightResult, setting: float) -> list[list[Cell]]:
        return [["height", result.height]]

    def summary(self, result: HeightResult, setting: float) -> str:
        return f"<h3>{result.height:.3f}</h3>"


class Altitude(Height):
    """The same with a column."""

    predictor = "helpers.height:HeightPredictor"
