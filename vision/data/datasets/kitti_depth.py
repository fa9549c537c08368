"""KITTI with annotated depth: raw images and depth maps gathered from several scans."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from vision.data.base.depth import DepthData, DepthLoading
from vision.data.base.splits import Split
from vision.data.check.problems import collected_problems
from vision.data.files.finding import PathList, find_images, require_folder
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.cameras import KnownCameras
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.depth_reader import DepthReader
from vision.data.formats.kitti import DATE, KITTICameras, ListedPair, read_pairs
from vision.data.index.mask_pairs import find_some_images
from vision.data.transforms.crops import Box
from vision.data.transforms.dense_options import DenseAugment
from vision.data.transforms.geometry import Size
from vision.errors import DataError
from vision.keywords import Unpack
from vision.ops.depth_crops import crop_window
from vision.options import check_ranges
from vision.reading import user_path

logger = logging.getLogger(__name__)

ANNOTATED = "data_depth_annotated"
LISTS = {"train": "eigen_train_files_with_gt.txt", "val": "eigen_test_files_with_gt.txt"}
SCALE = 256.0  # values a metre
EXPECTED = (
    "Expected the raw data in ROOT/DATE/DRIVE_sync/image_02/data/*.png (with "
    "ROOT/DATE/calib_cam_to_cam.txt) and the annotated depth in ROOT/data_depth_annotated/"
    "{train,val}/DRIVE_sync/proj_depth/groundtruth/image_02/*.png, and maybe the lists "
    f"ROOT/{LISTS['train']} and ROOT/{LISTS['val']}."
)
Camera = Literal["image_02", "image_03"]
Part = Literal["all", "garg", "eigen"]
# Ours: the crop of the published recipes.
KITTI_AUGMENT = DenseAugment(scale=(1.0, 1.1), crop=(352, 704))


class KITTIDepth(DepthData):
    """Depth of KITTI: raw images with the annotated depth of its depth benchmark.

    "Sparsity Invariant CNNs", Uhrig et al., 2017, arXiv 1708.06500. A depth map is a PNG file of 16
    bits with 256 values a metre; 0 is no reading, as for most pixels. The images of a split are
    those of a list of `IMAGE DEPTH` in each line, such as the Eigen split's, of which those without
    a depth map (`None`) are left out; without a list, all that have depth in
    `data_depth_annotated/train` or `val`.

    The validation set is tested and predicted. Cameras come from the calibration of each day.

    Args:
        root: The folder of the days of the raw data.
        depth_root: The folder of the annotated depth; None for `root/data_depth_annotated`.
        train_list: The list of the training images; None takes
            `root/eigen_train_files_with_gt.txt` if it is there.
        val_list: Likewise, `root/eigen_test_files_with_gt.txt`.
        cameras: Cameras whose images are used where there is no list.
        kb_crop: Whether images and depth are cut to the lower 352 x 1216 pixels, centred, in
            training and evaluation, as for KITTI's benchmark.
        evaluated: The part of the whole image whose depth counts in evaluation. With `kb_crop` set
            the crop here and not in the task, which would take it from the cut image.
        predict_root: A folder of images to predict, nested or not; None predicts the validation
            set.
        **options: Other keywords of `DepthData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        depth_root: str | os.PathLike[str] | None = None,
        train_list: str | os.PathLike[str] | None = None,
        val_list: str | os.PathLike[str] | None = None,
        cameras: Sequence[Camera] = ("image_02",),
        kb_crop: bool = False,
        evaluated: Part = "all",
        predict_root: str | os.PathLike[str] | None = None,
        augment: DenseAugment = KITTI_AUGMENT,
        **options: Unpack[DepthLoading],
    ) -> None:
        super().__init__(augment=augment, **options)
        for camera in cameras:
            check_ranges({"cameras": camera}, {"cameras": ("image_02", "image_03")})
        check_ranges({"evaluated": evaluated}, {"evaluated": ("all", "garg", "eigen")})
        self.root = user_path(root)
        self.depth_root = self.root / ANNOTATED if depth_root is None else user_path(depth_root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.cameras = tuple(cameras)
        self.kb_crop = kb_crop
        self.evaluated = evaluated
        self._lists = {"train": train_list, "val": val_list}
        self._absent = NotedProblems()

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, or the validation set."""
        return "val" if self.predict_root is None else "predict"

    def read_index(self, split: Split) -> DenseIndex:
        """Find the images and depth maps of a split.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """
        window = kb_window if self.kb_crop else None
        if split == "predict":
            assert self.predict_root is not None
            expected = "Expected a folder of images, nested or not."
            found = find_some_images(self.predict_root, expected)
            return DenseFiles(images=PathList(found), window=window)
        require_folder(self.root, EXPECTED)
        require_folder(self.depth_root, EXPECTED)
        path = self._list_of(split)
        pairs = self._all_pairs(split) if path is None else self._listed_pairs(path)
        kept = self._present(pairs, split)
        reader = DepthReader(
            scale=SCALE,
            cameras=KnownCameras(given=KITTICameras(self.root)),
            counted=None if split == "train" or self.evaluated == "all" else self.evaluated,
        )
        return DenseFiles(
            images=PathList(pair.image for pair in kept),
            target_names=PathList(pair.depth for pair in kept),
            read=reader,
            window=window,
        )

    def layout_problems(self) -> Iterator[str]:
        """Every absent file, and other problems that stop `setup`."""
        yield from collected_problems(self, self._absent)

    def _list_of(self, split: Split) -> Path | None:
        """The list of a split; None without one."""
        given = self._lists[split]
        if given is not None:
            return user_path(given)
        path = self.root / LISTS[split]
        return path if path.is_file() else None

    def _listed_pairs(self, path: Path) -> list[ListedPair]:
        pairs, skipped = read_pairs(path)
        if skipped:
            logger.info("%s: %s images have no depth map", path, f"{skipped:,}")
        return [ListedPair(self._image(pair.image), self._depth(pair.depth)) for pair in pairs]

    def _all_pairs(self, split: Split) -> list[ListedPair]:
        """All depth maps of the folder of a split, with their images."""
        folder = self.depth_root / split
        require_folder(folder, EXPECTED)
        pairs = []
        for path in find_images(folder):
            *_, drive, _, _, camera, name = Path(path).parts
            if camera in self.cameras:
                image = f"{drive[:DATE]}/{drive}/{camera}/data/{name}"
                pairs.append(ListedPair(self._image(image), path))
        if not pairs:
            raise DataError(
                f"'{folder.resolve()}' has no depth maps of {' or '.join(self.cameras)}. {EXPECTED}"
            )
        return pairs

    def _image(self, name: str) -> str:
        """The path of an image, which may have been stored as JPEG."""
        path = self.root / name
        jpeg = path.with_suffix(".jpg")
        return str(jpeg if not path.exists() and jpeg.exists() else path)

    def _depth(self, name: str) -> str:
        """The path of a listed depth map, which may lie in the folder of a split."""
        places = [self.depth_root, self.depth_root / "train", self.depth_root / "val", self.root]
        return str(next((p / name for p in places if (p / name).exists()), places[1] / name))

    def _present(self, pairs: Sequence[ListedPair], split: Split) -> list[ListedPair]:
        """The pairs whose files are there.

        Raises:
            DataError: Files are absent, and are not collected.
        """
        kept, absent = [], []
        for pair in pairs:
            missing = [path for path in pair if not os.path.exists(path)]
            absent += [f"there is no file '{path}'." for path in missing]
            if not missing:
                kept.append(pair)
        heading = f"{len(absent):,} files of the {split} set are not there"
        self._absent.note(absent, heading, EXPECTED)
        if not kept:
            raise DataError(f"no image of the {split} set has both files. {EXPECTED}")
        return kept


def kb_window(size: Size) -> Box:
    """The lower 352 x 1216 pixels of an image, centred.

    Raises:
        DataError: The image is smaller.
    """
    rows, columns = crop_window("kb", *size)
    return Box(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
