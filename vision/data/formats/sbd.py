"""Reading of the Semantic Boundaries Dataset: lists of images, and MATLAB files of their masks.

"Semantic Contours from Inverse Detectors", Hariharan et al., 2011: 11,355 images of Pascal VOC,
most of them without a mask in VOC itself.
"""

import os
from pathlib import Path

import numpy as np

from vision.annotations.file_names import require_within
from vision.data.files.finding import require_folder
from vision.data.formats.matlab import read_variable
from vision.data.images.read import read_file
from vision.documents.text import read_text
from vision.errors import ImageError

EXPECTED = "Expected of SBD: SBD_ROOT/{img/*.jpg,cls/*.mat,train.txt,val.txt}."
# Their folder in the published archive.
_INSIDE = ("benchmark_RELEASE/dataset", "dataset")


def sbd_folder(root: Path) -> Path:
    """The folder of `cls`: `root`, or the unpacked archive in it.

    Raises:
        DataError: There is no such folder.
    """
    require_folder(root, EXPECTED)
    for inside in _INSIDE:
        if (root / inside / "cls").is_dir():
            return root / inside
    require_folder(root / "cls", EXPECTED)
    return root


def read_sbd_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the class of each pixel from a MATLAB file of SBD.

    Such a file holds a structure `GTcls`, whose field `Segmentation` has 0 for the background and
    1 to 20 for VOC's classes. It holds only data; no code runs.

    Args:
        path: A file of `cls`.

    Returns:
        Class index, uint8 `(H, W)`.

    Raises:
        ImageError: The file is absent, cannot be read, or holds something else.
    """
    encoded = read_file(path)
    try:
        labels = read_variable(encoded.data, "GTcls")["Segmentation"][0, 0]
    except Exception as error:  # of the reader, of zlib, or of another structure
        raise _wrong(encoded.name, f"{type(error).__name__}: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.dtype != np.uint8:
        found = getattr(labels, "dtype", type(labels).__name__)
        raise _wrong(encoded.name, f"GTcls.Segmentation is {found} {np.shape(labels)}")
    return np.ascontiguousarray(labels)


def read_sbd_names(folder: Path) -> list[str]:
    """The names in both lists of SBD, in their order.

    Args:
        folder: The folder from `sbd_folder`.

    Raises:
        DataError: A list is absent or not text, or a name leads out of the folder of the images.
    """
    names: list[str] = []
    for split in ("train", "val"):
        path = folder / f"{split}.txt"
        own = read_text(path, what="list of images").split()
        require_within(own, f"the list '{path}'")
        names += own
    return names


def _wrong(name: str, what: str) -> ImageError:
    return ImageError(
        f"'{name}' is not a mask of SBD ({what}); expected a MATLAB file with GTcls.Segmentation, "
        "uint8. Copy it again."
    )
