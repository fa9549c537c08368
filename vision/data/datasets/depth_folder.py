"""Images and their depth, in two folders."""

import os
from collections.abc import Sequence
from functools import cached_property

from vision.data.base.depth import DepthData, DepthOptions
from vision.data.base.paired_folders import PairedFolders
from vision.data.files.finding import PathList
from vision.data.formats.cameras import Camera, KnownCameras, find_camera
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.depth_reader import DepthReader
from vision.keywords import Unpack
from vision.ops.depth_maps import EXTENSIONS
from vision.options import check_number

EXPECTED = (
    "Expected ROOT/images/{train,val}/* and depth maps of the same names, ROOT/depth/{train,val}/* "
    f"({', '.join(EXTENSIONS)}; test may be there too), or ROOT/images/* and ROOT/depth/* to split "
    "at random."
)
FORMATS = f"one of {', '.join(EXTENSIONS)}"


class DepthFolder(PairedFolders[DenseIndex], DepthData):
    """A depth dataset with one folder of images and one of depth maps.

    The tree is `root/images/{train,val[,test]}/**` and `root/depth/{train,val[,test]}/**`, or
    `root/images/**` and `root/depth/**`, of which a share is then held out for validation. A depth
    map has the size and the path of its image but for the suffix: a grey PNG file of 16 bits, or
    floats in an `.npy`, `.npz` (one array, or the one named `depth`), `.pfm` or `.exr` file. Depth
    is along the optical axis, not along the ray.

    Without depth for a test set the validation set is tested; without `predict_root` the images of
    the test set, or else of the validation set, are predicted.

    Args:
        root: The dataset's folder.
        scale: Value of one metre in the files: 1000 for millimetres, 256 in KITTI's. None is for
            floats in metres, and for PNG files that state it, as the suite writes them.
        invalid: Values in the files that mean no reading, beside 0: such as `[65535]`, `[.nan]` or
            `[.inf]`.
        camera: `[fx, fy, cx, cy]` in pixels, where the centre of the top left pixel is (0, 0); or a
            text file of these or of a matrix of 3 x 3; or a folder of such files, `*.txt` with the
            paths of the images. None uses `root/camera.txt` or `root/cameras` if they are there.
            Training does not need it.
        val_fraction: Share of the images that is held out, in (0, 1); only where `root/images` has
            no `train` and `val`.
        predict_root: A folder of images to predict, nested or not.
        **options: Other keywords of `DepthData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED
    folder, what = "depth", "depth map"
    suffixes, kind_of_file = EXTENSIONS, FORMATS

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        scale: float | None = None,
        invalid: Sequence[float] = (),
        camera: Sequence[float] | str | os.PathLike[str] | None = None,
        val_fraction: float = 0.2,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[DepthOptions],
    ) -> None:
        super().__init__(root=root, val_fraction=val_fraction, predict_root=predict_root, **options)
        if scale is not None:
            check_number("scale", scale, above=0)
        self.scale = scale
        self.invalid = tuple(invalid)
        self._camera = camera

    @cached_property
    def camera(self) -> Camera | None:
        """The camera of all images, or what gives that of a depth map; None if it is not known.

        Raises:
            ConfigError: The numbers are wrong.
            DataError: Its file is absent or wrong.
        """
        return find_camera(self._camera, self.root, self.root / self.folder)

    def make_index(self, images: PathList, others: PathList | None) -> DenseIndex:
        """The index of some images, and of their depth maps if there are any."""
        if others is None:
            return DenseFiles(images=images)
        cameras = KnownCameras(given=self.camera)
        reader = DepthReader(scale=self.scale, invalid=self.invalid, cameras=cameras)
        return DenseFiles(images=images, target_names=others, read=reader)
