"""A picture of what a classifier gets right and wrong."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import Tensor, nn

from vision.decoration import decorative
from vision.draw.classification import ClassifiedImage, draw_classification, draw_predictions
from vision.draw.figure import save_png
from vision.weights.load import load_weights

logger = logging.getLogger(__name__)

FILE_NAME = "predictions.png"
# A confusion matrix of more classes takes more than 200 MB.
MAX_CONFUSED = 5000


@decorative("the picture of the predictions")
class ClassificationPictures(Callback):
    """Draws example predictions and the confusion matrix when training ends.

    The weights are those of the best checkpoint, the images those of the validation set. Mistakes
    come first among the examples, the surest ones foremost.

    Args:
        folder: Where `predictions.png` is written.
        examples: Number of example images.
        max_images: Stop after this many validation images.
    """

    def __init__(self, folder: Path | str, *, examples: int = 30, max_images: int = 10_000) -> None:
        self.path = Path(folder) / FILE_NAME
        self.examples = examples
        self.max_images = max_images

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process.

        Without validation images there is nothing to draw, and with weights that are spread over
        the processes one of them cannot do it alone.
        """
        loader = trainer.val_dataloaders
        if not trainer.is_global_zero or not loader or _is_sharded(trainer):
            return
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        with _weights_of(pl_module, best):
            counts, shown = self._evaluate(pl_module, loader)
        if not shown:
            return
        count = shown[0].num_classes
        names = getattr(pl_module, "class_names", None) or [str(i) for i in range(count)]
        if count > MAX_CONFUSED:
            save_png(draw_predictions(shown, names), self.path)
        else:
            save_png(draw_classification(shown, counts, names), self.path)

    @torch.inference_mode()
    def _evaluate(
        self, module: LightningModule, loader: Iterable[Any]
    ) -> tuple[Tensor, list[ClassifiedImage]]:
        counts = torch.zeros(0, 0, dtype=torch.int64)
        wrong: list[ClassifiedImage] = []
        right: dict[int, list[ClassifiedImage]] = {}
        for image in islice(_classified(module, loader), self.max_images):
            if not len(counts) and image.num_classes <= MAX_CONFUSED:
                counts = torch.zeros(image.num_classes, image.num_classes, dtype=torch.int64)
            if len(counts):
                counts[image.label, image.predicted] += 1
            # Only what may be shown is kept: images are large and classes may be many.
            if image.predicted != image.label:
                wrong = sorted([*wrong, image], key=lambda other: -other.score)[
                    : self.examples // 2
                ]
            elif image.label % max(1, image.num_classes // self.examples) == 0:
                kept = right.setdefault(image.label, [])
                if len(kept) < max(1, 10 * self.examples // image.num_classes):
                    kept.append(image)
        return counts, wrong + list(_in_turn(right, self.examples - len(wrong)))


def _is_sharded(trainer: Trainer) -> bool:
    return isinstance(trainer.strategy, FSDPStrategy | ModelParallelStrategy | DeepSpeedStrategy)


def _classified(module: nn.Module, loader: Iterable[Any]) -> Iterator[ClassifiedImage]:
    device = next(module.parameters()).device
    for batch in loader:
        if not isinstance(batch, Mapping) or "label" not in batch or batch["label"].ndim != 1:
            return
        if "repeated" in batch:
            continue
        scores = module(batch["image"].to(device)).float().softmax(dim=-1).cpu()  # (B, K)
        best, predicted = scores.max(dim=-1)
        sizes = batch.get("size")
        for i, image in enumerate(batch["image"].cpu()):
            height, width = image.shape[1:] if sizes is None else sizes[i].tolist()
            yield ClassifiedImage(
                image=image[:, :height, :width],
                label=int(batch["label"][i]),
                predicted=int(predicted[i]),
                score=float(best[i]),
                num_classes=scores.shape[-1],
            )


def _in_turn(groups: Mapping[int, list[Any]], count: int) -> Iterator[Any]:
    """The first of each group, then the second of each, up to `count`."""
    longest = max((len(group) for group in groups.values()), default=0)
    turns = (
        groups[key][i] for i in range(longest) for key in sorted(groups) if i < len(groups[key])
    )
    yield from islice(turns, count)


@contextmanager
def _weights_of(module: nn.Module, path: str) -> Iterator[None]:
    """Lend a module the weights of a checkpoint (none for an empty path), in evaluation mode."""
    own = {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
    training = module.training
    level = logging.getLogger("vision.weights").level
    try:
        if path:
            logging.getLogger("vision.weights").setLevel(logging.WARNING)
            load_weights(module, path)
        module.eval()
        yield
    finally:
        logging.getLogger("vision.weights").setLevel(level)
        module.load_state_dict(own)
        module.train(training)
