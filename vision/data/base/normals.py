"""The base of the datamodules for surface normals."""

from vision.data.base.dense import DenseData
from vision.data.check.normals_facts import NormalsFacts


class NormalsData(DenseData):
    """A dataset of images with the surface normal of each pixel: unit vectors, zero for none.

    The frame is that of `vision.contracts.normals`. A subclass lists the images and reads their
    normals. When a split is first used, a few of its maps are read, and normals that point away
    from the camera are an error before the first step.

    Args:
        **options: Keywords of `DenseData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "normals"

    def facts(self) -> NormalsFacts:
        """The directions of the normals."""
        return NormalsFacts()
