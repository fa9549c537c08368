"""The two halves of an average brain with its tissues, in the layout of `VolumeFolder`.

The image is the ICBM 152 average of 2009, "Unbiased average age-appropriate atlases for pediatric
studies", Fonov et al., 2011; the package nilearn has it, with maps of grey and white matter, and
says that their licence is unknown: they are read where they are. It is one averaged brain: to see
a model learn real labels, and no more.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.errors import DataError, MissingPackageError
from vision.ops.nifti import VolumeHeader, read_header, read_voxels, write_labels, write_values
from vision.ops.volume_axes import orientation_of, spacing_of

CLASSES = ("background", "grey", "white", "rest")
# Cells of the files, of 1 mm, along a side of a cell that is written.
BLOCK = 4
# The halves, each with the side of the middle plane that it lies on.
HALVES = {"left": "train", "right": "val"}
NAMES = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
# Of the maps, the largest value, which is a share of 1.
FULL = 255.0


@dataclass(frozen=True, kw_only=True)
class MNISample:
    """The average brain, which has no options."""


class AverageBrain(NamedTuple):
    """An image of a head without its skull, and the tissues.

    Attributes:
        affine: float64 `(4, 4)`, from the index of a cell to millimetres; the orientation is RAS.
        image: float32 `(D, H, W)`, T1-weighted; 0 outside of the brain.
        grey: float32 `(D, H, W)`, share of grey matter in [0, 1].
        white: Likewise, of white matter.
    """

    affine: np.ndarray
    image: np.ndarray
    grey: np.ndarray
    white: np.ndarray


def read_mni() -> AverageBrain:
    """Read the average brain from the files of nilearn.

    Raises:
        MissingPackageError: nilearn or nibabel is not installed.
        DataError: This version of nilearn has the files no longer.
    """
    try:
        import nilearn
    except ImportError as error:
        raise MissingPackageError(
            "the average brain is a part of nilearn, which is not installed: `pip install nilearn`."
        ) from error
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    paths = [folder / NAMES.format(name) for name in ("t1", "gm", "wm")]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise DataError(
            f"'{folder}' has no '{absent[0].name}': this version of nilearn keeps its images "
            "elsewhere. Install another one, such as 0.12."
        )
    image, grey, white = (read_voxels(path) for path in paths)
    return AverageBrain(read_header(paths[0]).affine, image, grey / FULL, white / FULL)


def half(brain: AverageBrain, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One half of the brain at a coarser spacing, without the cells of the middle plane.

    Args:
        brain: The whole.
        name: "left" or "right" of the patient.

    Returns:
        The image, float32 `(D, H, W)`, the mean of `BLOCK` cells along each axis; its mask, uint8
        class index of `CLASSES`: the tissue of the larger share where both together have a half or
        more, "rest" in all else of the brain; and its affine.
    """
    middle = int(np.rint(-brain.affine[0, 3] / brain.affine[0, 0]))
    length = (min(middle, brain.image.shape[0] - middle - 1) // BLOCK) * BLOCK
    start = middle - length if name == "left" else middle + 1
    parts = [_coarse(array[start : start + length]) for array in brain[1:]]
    image, grey, white = parts
    mask = np.where(image > 0, CLASSES.index("rest"), 0).astype(np.uint8)
    tissue = grey + white >= 0.5
    mask[tissue & (grey >= white)] = CLASSES.index("grey")
    mask[tissue & (grey < white)] = CLASSES.index("white")
    affine = brain.affine.copy()
    affine[:3, :3] *= BLOCK
    shift = (BLOCK - 1) / 2
    affine[:3, 3] += brain.affine[:3, :3] @ (np.array([start, 0, 0]) + shift)
    return image, mask, affine


def _coarse(array: np.ndarray) -> np.ndarray:
    """The mean of each block of cells; what is left at the end of an axis is dropped."""
    sides = [side // BLOCK for side in array.shape]
    whole = array[tuple(slice(side * BLOCK) for side in sides)]
    depth, height, width = sides
    blocks = whole.reshape(depth, BLOCK, height, BLOCK, width, BLOCK)
    return blocks.mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)


def write_mni(root: Path | str, sample: MNISample) -> dict[str, tuple[int, int]]:
    """Write the left half to train on, and the right one to validate.

    The tree is `scans/{left,right}.nii.gz`, `labels/{left,right}.nii.gz` and `volumes.csv`.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        sample: No options.

    Returns:
        Numbers of images and of label files, by split.

    Raises:
        DataError: `root` holds something else, or the files are absent.
        MissingPackageError: nilearn or nibabel is not installed.
    """
    brain = read_mni()
    with replace_folder(root, {"dataset": "mni"}) as folder:
        rows = ["subject,image,label,split"]
        for name, split in HALVES.items():
            image, mask, affine = half(brain, name)
            like = VolumeHeader(
                name, image.shape, affine, spacing_of(affine), orientation_of(affine)
            )
            write_values(folder / "scans" / f"{name}.nii.gz", image, like)
            write_labels(folder / "labels" / f"{name}.nii.gz", mask, like)
            rows.append(f"{name},scans/{name}.nii.gz,labels/{name}.nii.gz,{split}")
        (folder / "volumes.csv").write_text("\n".join(rows) + "\n")
    return dict.fromkeys(HALVES.values(), (1, 1))
