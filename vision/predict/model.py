"""A trained model, ready to predict."""

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from vision.contracts.classes import known_classes
from vision.contracts.models import ModelDescription
from vision.errors import ConfigError
from vision.machine import find_device
from vision.predict.calibration import CameraLike
from vision.predict.compiling import compile_for_prediction
from vision.predict.options import Compiled, Precision, PredictOptions, Tile
from vision.predict.predictor import Predictor
from vision.predict.results import Result
from vision.predict.run import Predictions
from vision.task_parts import find_part
from vision.tasks.base import BaseTask
from vision.wording import counted


class Model:
    """A trained task with its classes, preprocessing and colours.

    Args:
        task: The task.
        description: Its description in the file.
        path: The file; None for a task that was not loaded.
        device: Its device; None leaves the task where it is.

    Attributes:
        kind: Name of the kind of task, such as "detection".
        class_names: Name of each class by index; empty for a task without classes.
    """

    def __init__(
        self,
        task: BaseTask,
        description: ModelDescription,
        *,
        path: Path | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.task = task.eval()
        self.description = description
        self.path = path
        if device is not None:
            self.to(device)
        self.kind: str = type(task).kind or description["task"].lower()
        self.class_names = known_classes(task)
        self._compiled: Compiled | None = None

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.task.parameters()).device

    def to(self, device: str | torch.device) -> Self:
        """Move the model to a device."""
        self.task.to(find_device(device))
        return self

    def compile(self, how: Compiled = "whole") -> Self:
        """Compile the backbone by `torch.compile` when it is next called, for many images.

        Results are the same up to rounding. Compiling takes seconds to minutes, once per process;
        the head stays as it is. A model is compiled on the device that it is on.

        Args:
            how: "whole" makes one program, which is used for images of any size; "blocks" compiles
                one block of each kind, which takes a part of the time. "cuda-graphs", on a GPU, is
                for batches of one size, such as those of a classifier, of tiles or of a film: the
                whole is compiled for each size, of at most eight, and its kernels are started
                together.

        Returns:
            The model.

        Raises:
            ConfigError: It is compiled already, or cannot be compiled so: the task has inputs
                of which each would be compiled anew, the backbone is one of timm's ("blocks"),
                there is no GPU ("cuda-graphs"), or no C++ compiler for the CPU.
        """
        if self._compiled is not None:
            raise ConfigError(
                f"the model is compiled already, {self._compiled!r}: load it again for another way."
            )
        compile_for_prediction(self.task, how, self.device)
        self._compiled = how
        return self

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """Options of the evaluation transform of its training data, if known."""
        return self.description["preprocessing"] or self.task.preprocessing

    @cached_property
    def predictor(self) -> Predictor:
        """What prepares images and makes results.

        Raises:
            ConfigError: The task has no predictor.
            CheckpointError: The model's preprocessing does not fit its task.
        """
        return find_part(self.task, "predictor")(self)

    def predict(
        self,
        source: Any,
        *,
        batch_size: int = 8,
        threshold: float = 0.3,
        tile: Tile | None = None,
        overlap: float = 0.2,
        whole_view: bool = True,
        precision: Precision = "float32",
        camera: CameraLike | None = None,
        probabilities: bool = False,
        num_workers: int | None = None,
        skip_bad_images: bool | int = False,
    ) -> Predictions:
        """Predict images, one result after the other, in constant memory.

        Images are prepared as in the evaluation of the training's data.

        Args:
            source: An image file, a folder, a pattern, a PIL image, a NumPy array in RGB order, a
                tensor, or a list or generator of these: see `vision.predict.images.list_images`.
                For volumes, the folder or the files of a subject, or a folder of subjects: see
                `vision.predict.volume_sources.VolumeSources`. For clouds, files of points, folders
                and patterns of them: see `vision.predict.point_sources.PointSources`.
            batch_size: Images per batch; with tiles, tiles of one image.
            threshold: Minimum score of an object, in [0, 1]; for detection only.
            tile: Side, or (height, width), in pixels of overlapping tiles that larger images are
                cut into; None processes every image whole. For detection, segmentation, depth and
                normals.
            overlap: Share of a tile that the next one covers too, in [0, 1).
            whole_view: Whether a detector also sees the whole of an image that is cut into tiles.
            precision: "float32", "bfloat16", or "float16" on a GPU.
            camera: The calibration of the camera, which boxes in space need: a file (KITTI's, or a
                matrix), a folder of files with the names of the images, a matrix `(3, 4)` or
                `(3, 3)`, `(fx, fy, cx, cy)`, or a focal length, in pixels of the images.
            probabilities: Whether results have the probability of each class or region in every
                cell; for volumes only.
            num_workers: Threads that read images; 0 reads without any, None chooses by the CPU
                cores.
            skip_bad_images: Whether to log and skip images that cannot be read, listed in
                `bad_images` of the iterator: True for any number, an integer for at most so many.

        Returns:
            An iterator over the results, in the order of the source.

        Raises:
            ConfigError: An option is out of range, or the source holds no images.
            DataError: There is no such calibration; or a folder holds no images, or an image has no
                calibration (when the result is asked for).
            ImageError: An image cannot be read (when its result is asked for).
        """
        options = PredictOptions(
            batch_size=batch_size,
            threshold=threshold,
            tile=tile,
            overlap=overlap,
            whole_view=whole_view,
            precision=precision,
            camera=camera,
            probabilities=probabilities,
        )
        return Predictions(
            self.predictor,
            source,
            options,
            num_workers=num_workers,
            skip_bad_images=skip_bad_images,
        )

    def predict_image(
        self,
        image: Any,
        *,
        threshold: float = 0.3,
        tile: Tile | None = None,
        overlap: float = 0.2,
        whole_view: bool = True,
        precision: Precision = "float32",
        camera: CameraLike | None = None,
        probabilities: bool = False,
    ) -> Result:
        """Predict one image.

        Args:
            image: Its path, or the image itself, as in `predict`.
            threshold: As in `predict`, and so on.
            tile: Side, or (height, width), of tiles.
            overlap: Share of a tile that the next one covers too.
            whole_view: Whether a detector also sees the whole of an image that is cut into tiles.
            precision: Precision of the computation (autocast).
            camera: The calibration of the camera.
            probabilities: Whether the result has the probability of each class in every cell.

        Returns:
            The result.

        Raises:
            ConfigError: An option is out of range, or it is not one image.
            ImageError: The image cannot be read.
        """
        if not self.predictor.sources.may_be_one(image):
            raise ConfigError(f"'{image}' is a folder: predict() accepts folders.")
        results = self.predict(
            image,
            batch_size=1 if tile is None else 8,
            threshold=threshold,
            tile=tile,
            overlap=overlap,
            whole_view=whole_view,
            precision=precision,
            camera=camera,
            probabilities=probabilities,
            num_workers=0,
        )
        found = list(results)
        if len(found) != 1:
            raise ConfigError(
                f"{counted(len(found), 'images')} were given: predict() accepts several."
            )
        return found[0]

    def embed(
        self,
        source: Any,
        *,
        batch_size: int = 8,
        precision: Precision = "float32",
        num_workers: int | None = None,
    ) -> Tensor:
        """Features of images, prepared as in the evaluation of the training's data.

        They are what the classifier of the backbone's paper feeds to its last layer. Detectors and
        segmentors give the mean of the backbone's coarsest map.

        Args:
            source: As in `predict`.
            batch_size: Images per batch.
            precision: As in `predict`.
            num_workers: As in `predict`.

        Returns:
            float32 `(N, D)` on the CPU, in the order of the source.

        Raises:
            ConfigError: An option is out of range, or the source holds no images.
            DataError: A folder holds no images.
            ImageError: An image cannot be read.
        """
        from vision.predict.embed import stream_features

        found = stream_features(
            self.predictor,
            source,
            batch_size=batch_size,
            precision=precision,
            num_workers=num_workers,
        )
        return torch.stack([one.features for one in found])  # type: ignore[attr-defined]

    def __call__(self, images: Tensor, *more: Tensor) -> Any:
        """Call the task on images as in a batch, `(B, C, H, W)`, uint8 or floats in 0..255.

        Args:
            images: The images.
            *more: What else the task takes, such as the cameras of the images.
        """
        with torch.inference_mode():
            return self.task(*(one.to(self.device) for one in (images, *more)))

    def __repr__(self) -> str:
        described, count = self.description, len(self.class_names)
        classes = f"{counted(count, 'classes')}, " if count else ""
        steps = counted(described["step"], "steps")
        return f"{described['task']}({described['backbone']}, {classes}{steps})"
