"""A photograph of a motorcycle with measured depth, in the layout of `DepthFolder`.

The picture is one of the Middlebury stereo benchmark, "High-Resolution Stereo Datasets with
Subpixel-Accurate Ground Truth", Scharstein et al., 2014; scikit-image has it in its package, a
quarter as long as the original. It is one image: to see a model learn real depth, and no more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vision.data.synthetic.folder import replace_folder
from vision.errors import DataError, MissingPackageError
from vision.ops.depth_writing import write_depth

# The calibration that comes with the images, of the left one.
FOCAL_PX, CENTRE_PX = 994.978, (311.193, 254.877)
# Distance of the cameras in metres, and how much farther right the principal point of the right
# image lies.
BASELINE_M, OFFSET_PX = 0.193001, 31.086
# A tenth of a millimetre; the farthest point is at 5 m.
VALUES_A_METRE = 10_000.0
SPLITS = ("train", "val")
NAME = "motorcycle.png"


@dataclass(frozen=True, kw_only=True)
class MotorcycleSample:
    """The photograph, which has no options."""


class StereoPair(NamedTuple):
    """Two images of one scene, from the left and from the right.

    Attributes:
        left: uint8 `(H, W, 3)` RGB.
        right: Likewise.
        disparity_px: float32 `(H, W)`, how much farther left a pixel of the left image lies in the
            right one; infinite where it is not known.
    """

    left: np.ndarray
    right: np.ndarray
    disparity_px: np.ndarray

    @property
    def depth(self) -> np.ndarray:
        """Depth of the left image in metres, float64 `(H, W)`; 0 where it is not known."""
        disparity = self.disparity_px.astype(np.float64)
        return np.where(
            np.isfinite(disparity), BASELINE_M * FOCAL_PX / (disparity + OFFSET_PX), 0.0
        )


def read_motorcycle() -> StereoPair:
    """Read the images from the files of scikit-image.

    Raises:
        MissingPackageError: scikit-image is not installed.
        DataError: This version of it has the images no longer among its files.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingPackageError(
            "the photograph is a part of scikit-image, which is not installed: "
            "`pip install scikit-image`."
        ) from error
    folder = Path(data.__file__).parent
    names = ("motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz")
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise DataError(
            f"'{folder}' has no '{absent[0]}': this version of scikit-image keeps its images "
            "elsewhere. Install another one, such as 0.25."
        )
    return StereoPair(*data.stereo_motorcycle())


def write_motorcycle(root: Path | str, sample: MotorcycleSample) -> dict[str, tuple[int, int]]:
    """Write the photograph and its depth.

    The tree is `images/{train,val}/motorcycle.png` and `depth/{train,val}/motorcycle.png` (PNG of
    16 bits that states its scale), `camera.txt`, and `right/motorcycle.png`, the other image. Both
    splits have the same photograph, so that a check of the dataset says so.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        sample: No options.

    Returns:
        Numbers of images and of depth maps, by split.

    Raises:
        DataError: `root` holds something else, or the images are absent.
        MissingPackageError: scikit-image is not installed.
    """
    pair = read_motorcycle()
    with replace_folder(root, {"dataset": "motorcycle"}) as folder:
        for split in SPLITS:
            for name in ("images", "depth"):
                (folder / name / split).mkdir(parents=True)
            Image.fromarray(pair.left).save(folder / "images" / split / NAME)
            write_depth(folder / "depth" / split / NAME, pair.depth, scale=VALUES_A_METRE)
        (folder / "right").mkdir()
        Image.fromarray(pair.right).save(folder / "right" / NAME)
        numbers = (FOCAL_PX, FOCAL_PX, *CENTRE_PX)
        (folder / "camera.txt").write_text(" ".join(map(str, numbers)) + "\n")
    return dict.fromkeys(SPLITS, (1, 1))
