"""Pictures of boxes in space: the best, the worst and random validation images."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.detection3d_images import draw_found, score_evaluated
from vision.callbacks.results.examples import choose_images
from vision.callbacks.results.part_of_set import results_folder
from vision.contracts.classes import known_classes
from vision.decoration import Decoration
from vision.draw.boxes3d import draw_examples
from vision.draw.figure import save_png
from vision.files import replace_file
from vision.metrics.kitti.metric import Images

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class Boxes3DPictures(BestValidation):
    """Draws validation images with boxes in space, without running the model again.

    `examples.png` has the best, the worst and some random images, a row for each: wire boxes on the
    image, true ones dashed, and the same from above; `best_0.png` and so on have one each. Images
    are sorted by the overlaps in space of `vision.metrics.kitti.pairs`; of equal ones those with
    more objects come first, and those without any are never the best or the worst. The random
    images are the same every time.

    The validation set must have `example(i)`, as `vision.data`'s have, and the task an `evaluator`
    with `gather()` and a `kitti_result`; with others nothing is drawn.

    Args:
        folder: Where the files are written.
        examples: Number of images of each kind.
    """

    def __init__(self, folder: Path | str, *, examples: int = 3) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.examples = examples
        self._guard = Decoration(f"the pictures in {self.folder}")

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process."""
        evaluator: Any = getattr(pl_module, "evaluator", None)
        data: Any = getattr(trainer, "datamodule", None)
        dataset: Any = getattr(data, "val_dataset", None)
        if not hasattr(evaluator, "gather") or not hasattr(dataset, "example"):
            return
        # A collective call: every process makes it.
        images: Images = evaluator.gather()
        if not trainer.is_global_zero or not images:
            return
        with self._guard:
            self._draw(pl_module, data, images, results_folder(trainer, self.folder))

    def _draw(self, task: Any, data: Any, images: Images, folder: Path) -> None:
        from PIL import Image

        names, palette = known_classes(task, data), getattr(data, "palette", None)
        paths = getattr(data.val_dataset, "paths", None)
        scored = score_evaluated(images, task.kitti_result.classes, paths)
        drawn: list[tuple[str, np.ndarray]] = []
        for kind, chosen in choose_images(scored, self.examples).items():
            for number, one in enumerate(chosen):
                title = f"{kind} {number} · overlap {one.score:.2f} · {one.name}"
                example = data.val_dataset.example(one.place)
                picture = draw_found(example, images, one.place, names, palette)
                drawn.append((title, picture))
                pixels = Image.fromarray(picture)
                replace_file(folder / f"{kind}_{number}.png", pixels.save)
        save_png(draw_examples(drawn), folder / FILE_NAME)
        logger.info("Examples of the boxes are drawn in %s.", folder)
