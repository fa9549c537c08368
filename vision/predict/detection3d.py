"""Prediction of boxes in space, from images whose cameras are known."""

import copy
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from vision.contracts.detection3d import Boxes3DPrediction
from vision.data.loading.collate_boxes3d import collate_boxes3d
from vision.data.transforms.boxes3d import Boxes3DEvalTransform
from vision.draw.boxes3d import draw_boxes3d
from vision.errors import ConfigError, DataError
from vision.files import write_text
from vision.metrics.kitti.objects import is_kitti, kitti_text
from vision.ops.boxes3d_rows import boxes3d_rows
from vision.predict.calibration import EXPECTED, Cameras, keep_camera
from vision.predict.detection import IMAGES, coco_objects, write_coco
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import ObjectsResult, Result, import_optional

if TYPE_CHECKING:
    from PIL.Image import Image

# Folder of the files in KITTI's text.
KITTI = "kitti"


@dataclass(kw_only=True, eq=False, repr=False)
class Boxes3DResult(ObjectsResult):
    """The M objects of an image, highest score first.

    Attributes:
        boxes3d: float32 `(M, 7)` centre x right, y down and z forward, length, height and width in
            metres, and yaw in radians, in the frame of the camera: `vision.contracts.boxes3d`.
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the original image.
        alpha: float32 `(M,)` observation angle in radians: the yaw, less that of the object's ray.
        scores: As in `ObjectsResult`, but above 1 where the depth is sure.
        projection: float32 `(3, 4)`, from the frame of the camera to pixels of the image.
        decimals: Decimals of numbers in KITTI's text.
    """

    boxes3d: Tensor
    boxes: Tensor
    alpha: Tensor
    projection: Tensor
    decimals: int = 2

    def plot(self, *, threshold: float = 0.0) -> "Image":
        """Draw the boxes as wires on the image, and beside it from above.

        Args:
            threshold: Minimum score of drawn objects.
        """
        from PIL import Image

        kept = self.scores >= threshold
        drawn = draw_boxes3d(
            self.image,
            self.boxes3d[kept],
            self.projection,
            labels=self.labels[kept],
            scores=self.scores[kept],
            class_names=self._known_names(),
        )
        return Image.fromarray(drawn)

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `objects`, each as `boxes3d_rows` describes it."""
        return {**self._head(), "objects": boxes3d_rows(self._prediction(), self.names)}

    def to_kitti(self) -> str:
        """The objects in KITTI's text, a line each, which `vision evaluate kitti` reads.

        Raises:
            ConfigError: A class is none of KITTI's.
        """
        return kitti_text(self._prediction(), self._known_names(), decimals=self.decimals)

    def save_kitti(self, path: str | os.PathLike[str]) -> Path:
        """Write the output of `to_kitti` atomically; the folder is created if absent.

        Args:
            path: The file, named after the image, such as `000001.txt`.

        Returns:
            The path.

        Raises:
            ConfigError: A class is none of KITTI's.
            DataError: The file cannot be written.
        """
        text = self.to_kitti()
        try:
            write_text(Path(path), text)
        except OSError as error:
            raise DataError(f"the file '{path}' cannot be written: {error}.") from error
        return Path(path)

    def to_coco(
        self, image_id: int | None = None, category_ids: list[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results with `bbox` `[x, y, width, height]` and `score`, and `center` and so on."""
        number = self.index if image_id is None else image_id
        return coco_objects3d(self.to_dict()["objects"], number, category_ids)

    def to_supervision(self) -> Any:
        """`supervision.Detections` of 2-D boxes, with `class_name` and `box3d` in its `data`."""
        supervision = import_optional("supervision", extra="supervision")
        return supervision.Detections(
            xyxy=self.boxes.numpy(),
            confidence=self.scores.numpy(),
            class_id=self.labels.numpy().astype(np.int64),
            data={
                "class_name": np.array(self.label_names, dtype=str),
                "box3d": self.boxes3d.numpy(),
            },
        )

    def _prediction(self) -> Boxes3DPrediction:
        return {
            "boxes3d": self.boxes3d,
            "boxes": self.boxes,
            "alpha": self.alpha,
            "labels": self.labels,
            "scores": self.scores,
        }

    def _known_names(self) -> tuple[str, ...]:
        return self.names or tuple(str(k) for k in range(max(self.labels.tolist(), default=0) + 1))

    def _summary(self) -> str:
        counts = super()._summary()
        return f"{counts}, the nearest at {self.boxes3d[:, 2].min():.1f} m" if len(self) else counts


def coco_objects3d(
    objects: Iterable[Mapping[str, Any]], image_id: int, category_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Convert the `objects` of `Boxes3DResult.to_dict` to results in COCO's format, with more."""
    whole = list(objects)
    results = coco_objects(whole, image_id, category_ids)
    more = ("center", "size", "yaw", "alpha")
    return [
        {**result, **{key: one[key] for key in more}}
        for result, one in zip(results, whole, strict=True)
    ]


class Detection3DPredictor(Predictor):
    """Predicts boxes in space; the result for an image does not depend on the rest of the batch."""

    collate = staticmethod(collate_boxes3d)
    table = "predictions.json"
    takes_camera = True
    frames_as_drawn = True
    untiled = "whose camera sees the whole image"

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, Boxes3DEvalTransform)
        self.cameras: Cameras | None = None
        self._kitti = is_kitti(self.names)
        self.beside = (IMAGES, *((KITTI,) if self._kitti else ()))

    def check(self, options: PredictOptions) -> None:
        """Refuse options that do not apply, and a missing camera.

        Raises:
            ConfigError: An option does not apply, or there is no camera.
        """
        super().check(options)
        if options.camera is None:
            raise ConfigError(
                "boxes in space need the calibration of the camera: camera=... in Python, --camera "
                f"of `vision predict`. {EXPECTED}"
            )

    def for_options(self, options: PredictOptions) -> Self:
        """A predictor of images of the camera of the options."""
        other = copy.copy(self)
        other.cameras = None if options.camera is None else Cameras(keep_camera(options.camera))
        return other

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The resized image with its camera; features of images need none, and get any."""
        height, width = image.shape[1:]
        cameras = self.cameras or Cameras((float(width),))
        changed = self.transform.change(image, cameras.projection(path, (height, width)))
        return {
            "image": changed.image,
            "original_size": torch.tensor([height, width]),
            "path": path or "",
            "camera": torch.from_numpy(changed.camera).float(),
            "camera_size": torch.tensor(changed.camera_size),
        }

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """The size of the input."""
        return tuple(sample["image"].shape[1:])

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> Boxes3DResult:
        """The objects of an image with scores at or above the threshold."""
        kept = prediction["scores"] >= options.threshold
        task: Any = self.model.task
        assert seen.sample is not None, "it is not cut into tiles"
        return Boxes3DResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            boxes3d=prediction["boxes3d"][kept],
            boxes=prediction["boxes"][kept],
            alpha=prediction["alpha"][kept],
            labels=prediction["labels"][kept],
            scores=prediction["scores"][kept],
            projection=seen.sample["camera"],
            decimals=task.evaluator.decimals,
        )

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write KITTI's text, if it has names for all classes; the line names the file."""
        assert isinstance(result, Boxes3DResult), "of the same kind"
        line = result.to_dict()
        if not self._kitti:
            return line
        file = result.save_kitti(folder / KITTI / f"{name}.txt")
        return {**line, "file": file.relative_to(folder).as_posix()}

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write results in COCO's format with the boxes in space, and what explains their ids."""
        write_coco(path, lines, ids, category_ids, names=self.names, convert=coco_objects3d)
