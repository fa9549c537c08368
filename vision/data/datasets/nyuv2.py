"""NYU Depth V2: indoor images with depth, as the labelled file of all or as a file for each."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.base.depth import DepthData, DepthLoading
from vision.data.base.nyuv2 import FOLDERS, Depth, Layout, NYUv2Data
from vision.data.base.splits import Split
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.nyuv2 import DEPTHS, LabeledIndex
from vision.data.transforms.dense_options import DenseAugment
from vision.keywords import Unpack

# Ours. A whole number of strides of 32 pixels, of images of 480 x 640.
NYUV2_AUGMENT = DenseAugment(scale=(1.0, 1.5), crop=(448, 608))


class NYUv2(NYUv2Data, DepthData):
    """Depth of NYU Depth V2: 795 training and 654 test images of 480 x 640 pixels.

    "Indoor Segmentation and Support Inference from RGBD Images", Silberman et al., 2012. The
    labelled set is `nyu_depth_v2_labeled.mat` with `splits.mat`; it is read by h5py, image by
    image. Where `splits.mat` is absent, `train.txt` and `test.txt` may list the numbers of the
    images, from 1 on. Extracted files are read too: `images/{train,test}` with `depth` and
    `raw_depth` (PNG of 16 bits in millimetres, or floats in metres) of the same names, or the
    folders of scenes in `official_splits`, `rgb_*.jpg` with `sync_depth_*.png`.

    The test images are validated, tested and predicted. The crop of Eigen et al. belongs to the
    evaluation.

    Args:
        root: The dataset's folder.
        depth: `"filled"` has a depth for each pixel, `"raw"` only what was measured.
        layout: `"labeled"` is the file of all images, `"folders"` a file for each; `"auto"` takes
            the first that is there (the file of all only with h5py).
        camera: As for `DepthFolder`; None takes `root/camera.txt`, or for images of 480 x 640 the
            camera of the dataset's toolbox.
        predict_root: A folder of images to predict, nested or not; None predicts the test images.
        **options: Other keywords of `DepthData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        depth: Depth = "filled",
        layout: Layout = "auto",
        camera: Sequence[float] | str | os.PathLike[str] | None = None,
        predict_root: str | os.PathLike[str] | None = None,
        augment: DenseAugment = NYUV2_AUGMENT,
        **options: Unpack[DepthLoading],
    ) -> None:
        super().__init__(
            root=root,
            depth=depth,
            layout=layout,
            camera=camera,
            predict_root=predict_root,
            augment=augment,
            **options,
        )

    def read_labeled(self, path: Path, numbers: np.ndarray) -> DenseIndex:
        """The images of some numbers of the file of all, with their depth."""
        return LabeledIndex(
            path=path, numbers=numbers, depth=DEPTHS[self.depth], cameras=self.cameras
        )

    def read_folders(self, split: Split) -> DenseIndex:
        """The images of a split in files of their own, with those of their depth."""
        images, depths = self.pair(split, FOLDERS[self.depth])
        return DenseFiles(images=images, target_names=depths, read=self.depth_reader(depths))
