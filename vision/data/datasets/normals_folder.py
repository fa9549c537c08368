"""Images and their surface normals, in two folders; or their depth, which normals come from."""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from vision.data.base.dense import DenseOptions
from vision.data.base.normals import NormalsData
from vision.data.base.paired_folders import PairedFolders
from vision.data.files.finding import PathList
from vision.data.formats.cameras import Camera, KnownCameras, find_camera
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.depth_reader import DepthReader, NormalsFromDepth
from vision.data.formats.normals_reader import NormalsReader
from vision.keywords import Unpack
from vision.ops.depth_maps import EXTENSIONS as DEPTH_EXTENSIONS
from vision.ops.depth_normals import MAX_SLANT, RANGES, WINDOW
from vision.ops.normal_maps import EXTENSIONS
from vision.options import check_number, check_ranges

EXPECTED = (
    "Expected ROOT/images/{train,val}/* and normal maps of the same names, "
    f"ROOT/normals/{{train,val}}/* ({', '.join(EXTENSIONS)}; test may be there too), or "
    "ROOT/images/* and ROOT/normals/* to split at random. With from_depth: true, ROOT/depth in "
    "place of ROOT/normals, and a camera."
)
Axis = Literal["x", "y", "z"]


class NormalsFolder(PairedFolders[DenseIndex], NormalsData):
    """A dataset of surface normals with one folder of images and one of normal maps.

    The tree is `root/images/{train,val[,test]}/**` and `root/normals/{train,val[,test]}/**`, or
    `root/images/**` and `root/normals/**`, of which a share is then held out for validation. A
    normal map has the size and the path of its image but for the suffix: an RGB PNG file of 8 or 16
    bits, in which a component n is the value (n + 1) / 2 of the largest one, or an `.npy` file of
    unit vectors. The frame is x to the right, y down, z into the scene, and normals point to the
    camera; `negate` is for files of another one.

    With `from_depth` the folder is `root/depth`, as for `DepthFolder`, and normals are computed:
    see `vision.ops.depth_normals`.

    Without normals for a test set the validation set is tested; without `predict_root` the images
    of the test set, or else of the validation set, are predicted.

    Args:
        root: The dataset's folder.
        negate: Axes that point the other way in the files, such as `[y, z]`.
        from_depth: Whether normals are computed from depth; this needs a camera.
        scale: Value of one metre in depth files, as for `DepthFolder`.
        invalid: Values in depth files that mean no reading, beside 0.
        camera: As for `DepthFolder`.
        window: Side in pixels of the window that a plane is fitted to.
        max_slant: Largest angle in degrees between the line of sight and the normal of a surface;
            more slanted readings within a window lie across an edge.
        val_fraction: Share of the images that is held out, in (0, 1); only where `root/images` has
            no `train` and `val`.
        predict_root: A folder of images to predict, nested or not.
        **options: Other keywords of `NormalsData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED
    folder, what = "normals", "normal map"
    suffixes: tuple[str, ...] = EXTENSIONS
    kind_of_file = f"one of {', '.join(EXTENSIONS)}"

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        negate: Sequence[Axis] = (),
        from_depth: bool = False,
        scale: float | None = None,
        invalid: Sequence[float] = (),
        camera: Sequence[float] | str | os.PathLike[str] | None = None,
        window: int = WINDOW,
        max_slant: float = MAX_SLANT,
        val_fraction: float = 0.2,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[DenseOptions],
    ) -> None:
        super().__init__(root=root, val_fraction=val_fraction, predict_root=predict_root, **options)
        for axis in negate:
            check_ranges({"negate": axis}, {"negate": ("x", "y", "z")})
        check_ranges({"window": window, "max_slant": max_slant}, RANGES)
        if scale is not None:
            check_number("scale", scale, above=0)
        if from_depth:
            self.folder, self.what = "depth", "depth map"
            self.suffixes, self.kind_of_file = DEPTH_EXTENSIONS, "a depth map"
        self.negate = tuple(negate)
        self.from_depth = from_depth
        self.scale = scale
        self.invalid = tuple(invalid)
        self.window = window
        self.max_slant = max_slant
        self._camera = camera

    @cached_property
    def camera(self) -> Camera | None:
        """The camera of all images, or what gives that of a map; None if it is not known.

        Raises:
            ConfigError: The numbers are wrong.
            DataError: Its file is absent or wrong.
        """
        return find_camera(self._camera, self.root, self.root / self.folder)

    def make_index(self, images: PathList, others: PathList | None) -> DenseIndex:
        """The index of some images, and of their normals if there are any."""
        if others is None:
            return DenseFiles(images=images)
        reader: NormalsReader | NormalsFromDepth
        cameras = KnownCameras(given=self.camera)
        if self.from_depth:
            depth = DepthReader(scale=self.scale, invalid=self.invalid, cameras=cameras)
            reader = NormalsFromDepth(depth=depth, window=self.window, max_slant=self.max_slant)
        else:
            reader = NormalsReader(negate=self.negate, cameras=cameras)
        return DenseFiles(images=images, target_names=others, read=reader, what=self.what)
