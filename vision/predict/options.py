"""Options of prediction."""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from vision.options import PROBABILITY, Range, Ranges, check_ranges
from vision.predict.calibration import CameraLike, keep_camera

Precision = Literal["float32", "bfloat16", "float16"]
Compiled = Literal["whole", "blocks", "cuda-graphs"]
Tile = int | tuple[int, int]
RANGES: Ranges = {
    "batch_size": Range(minimum=1, unit="images"),
    "threshold": PROBABILITY,
    "tile": Range(minimum=1, length=2, unit="pixels", optional=True),
    "overlap": Range(minimum=0, below=1),
    "precision": get_args(Precision),
}


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Options of prediction.

    Attributes:
        batch_size: Images, or tiles of one image, per batch.
        threshold: Minimum score of an object, in [0, 1].
        tile: Side, or height and width, in pixels of the tiles that larger images are cut into;
            None processes every image whole.
        overlap: Share of a tile that the next one covers too, in [0, 1).
        whole_view: Whether a detector also sees the whole image that is cut into tiles, for objects
            larger than a tile.
        precision: Precision of the computation (autocast); "float16" needs a GPU.
        camera: The calibration of the camera, for boxes in space: a file, a folder of files with
            the names of the images, a matrix, `(fx, fy, cx, cy)` or a focal length in pixels. It is
            kept as a path or as numbers.
        probabilities: Whether results have the probability of each class or region in every cell
            of a volume.

    Raises:
        ConfigError: A value is out of range.
        DataError: The calibration is absent.
    """

    batch_size: int = 8
    threshold: float = 0.3
    tile: Tile | None = None
    overlap: float = 0.2
    whole_view: bool = True
    precision: Precision = "float32"
    camera: CameraLike | None = None
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.camera is not None:
            object.__setattr__(self, "camera", keep_camera(self.camera))
        check_ranges({**vars(self), "tile": self.tile_size}, RANGES)

    @property
    def tile_size(self) -> tuple[int, int] | None:
        """Height and width of a tile in pixels."""
        if self.tile is None:
            return None
        if isinstance(self.tile, int):
            return self.tile, self.tile
        return tuple(self.tile)  # type: ignore[return-value]

    @property
    def tile_stride(self) -> tuple[int, int]:
        """Pixels from one tile to the next, down and to the right."""
        assert self.tile_size is not None, "there are tiles"
        height, width = (max(1, round(side * (1 - self.overlap))) for side in self.tile_size)
        return height, width

    def is_cut(self, image: Tensor) -> bool:
        """Whether an image `(3, H, W)` is larger than a tile."""
        tile = self.tile_size
        return tile is not None and (image.shape[1] > tile[0] or image.shape[2] > tile[1])
