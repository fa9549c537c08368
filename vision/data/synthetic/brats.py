"""A small dataset in the exact layout of BraTS 2021: composed heads with tumours.

"The RSNA-ASNR-MICCAI BraTS 2021 Benchmark on Brain Tumor Segmentation and Radiogenomic
Classification", U. Baid et al., 2021.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.head_anatomy import compose_head
from vision.data.synthetic.head_lesions import compose_lesions
from vision.data.synthetic.head_scan import MODALITIES, scan_head
from vision.data.synthetic.head_space import Grid, make_grid
from vision.errors import ConfigError
from vision.ops.nifti import VolumeHeader, write_labels
from vision.ops.volume_axes import orientation_of, spacing_of

# What files have for background, necrotic core, oedema and enhancing tumour.
LABEL_VALUES = np.array([0, 1, 2, 4], np.uint8)


@dataclass(frozen=True, kw_only=True)
class BraTSSamples:
    """Number, size and seed of the subjects.

    Attributes:
        subjects: Their number, at least 1.
        size: Cells along the first two axes of a volume, at least 16; the third has three quarters
            as many. All volumes cover the same millimetres.
        seed: Seed of all choices: equal seeds give equal files, byte for byte, and a subject does
            not depend on the number of subjects.

    Raises:
        ConfigError: A number is too small.
    """

    min_size: ClassVar[int] = 16

    subjects: int = 60
    size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.subjects < 1:
            raise ConfigError(f"subjects={self.subjects} must be at least 1.")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must not be negative.")
        if self.size < self.min_size:
            raise ConfigError(f"size={self.size} must be at least {self.min_size} cells.")


class ComposedSubject(NamedTuple):
    """What is stored of a subject.

    Attributes:
        grid: The cells of all of its volumes.
        scans: int16 `(C, D, H, W)`, flair, t1, t1ce and t2.
        classes: uint8 `(D, H, W)` class index: 1 necrotic core, 2 oedema, 3 enhancing tumour.
    """

    grid: Grid
    scans: np.ndarray
    classes: np.ndarray


def compose_subject(samples: BraTSSamples, place: int) -> ComposedSubject:
    """Compose a subject by its place among the samples."""
    rng = np.random.default_rng([samples.seed, place])
    grid = make_grid(rng, size=samples.size)
    width_mm = 0.5 * grid.cell_mm
    head = compose_head(rng, grid)
    lesions = compose_lesions(rng, head, width_mm=width_mm)
    scans = scan_head(rng, head, lesions, width_mm=width_mm)
    return ComposedSubject(grid, scans, lesions.classes)


def write_brats(root: Path | str, samples: BraTSSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree is that of the training data: `BraTS2021_XXXXX/BraTS2021_XXXXX_{flair,t1,t1ce,t2}
    .nii.gz` of int16, and `..._seg.nii.gz` of uint8 with the values 0, 1, 2 and 4. The skull and
    the skin, which BraTS has removed, are there.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Number of scans and of labels, of the one split.

    Raises:
        DataError: `root` holds something else.
        MissingPackageError: nibabel is not installed.
    """
    with replace_folder(root, {"dataset": "brats", **asdict(samples)}) as folder:
        for place in range(samples.subjects):
            grid, scans, classes = compose_subject(samples, place)
            subject = f"BraTS2021_{place:05d}"
            (folder / subject).mkdir()
            header = _header(subject, grid)
            volumes = dict(zip(MODALITIES, scans, strict=True))
            for name, volume in {**volumes, "seg": LABEL_VALUES[classes]}.items():
                write_labels(folder / subject / f"{subject}_{name}.nii.gz", volume, header)
    return {"train": (samples.subjects * len(MODALITIES), samples.subjects)}


def _header(subject: str, grid: Grid) -> VolumeHeader:
    affine = grid.affine
    return VolumeHeader(
        path=subject,
        shape=grid.shape,
        affine=affine,
        spacing=spacing_of(affine),
        orientation=orientation_of(affine),
    )
