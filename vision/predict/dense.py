"""What the predictions of depth and of surface normals share."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from vision.data.loading.collate_dense import collate_dense
from vision.data.transforms.dense import DenseEvalTransform
from vision.predict.dense_samples import dense_sample
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import Result

logger = logging.getLogger(__name__)


class DensePredictor(Predictor):
    """Predicts numbers for each pixel; the task runs images of different sizes separately.

    Attributes:
        key: Name of the map in a prediction.
    """

    collate = staticmethod(collate_dense)
    tiled = True
    key: ClassVar[str]

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, DenseEvalTransform)
        self._warned = False

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The resized image."""
        return _sample(self.transform, image, path)

    def predict_tiled(self, seen: Seen, options: PredictOptions) -> Result:
        """The values of an image at full size, from tiles that are blended where they overlap."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "Tiles see only a part of the scene, at the size of the file: the scale of the "
                "%s may drift from tile to tile. Without a tile size each image is seen whole.",
                self.key,
            )
        sample = _sample(DenseEvalTransform(), seen.image, seen.path)
        tiled = _Tiled(self.model.task, self.key, options)
        return self.result(seen, self.run([sample], options, tiled)[0], options)


class _Tiled:
    """A task that predicts a batch of one image by tiles."""

    def __init__(self, task: Any, key: str, options: PredictOptions) -> None:
        self.on_after_batch_transfer = task.on_after_batch_transfer
        self._task, self._key, self._options = task, key, options

    def predict_step(self, batch: Mapping[str, Any], batch_idx: int) -> list[dict[str, Any]]:
        height, width = batch["original_size"][0].tolist()
        values = self._task.run_tiled(
            batch["image"][:, :, :height, :width],
            (height, width),
            tile=self._options.tile_size,
            overlap=self._options.overlap,
        )
        return [{self._key: one} for one in values]


def _sample(transform: DenseEvalTransform, image: Tensor, path: str | None) -> dict[str, Any]:
    return dense_sample(lambda one: transform.change(one, None)[0], image, path or "")
