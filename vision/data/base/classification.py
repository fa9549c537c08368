"""The base of the datamodules for image classification."""

from vision.data.base.classes import ClassData
from vision.data.base.images import ImageData


class ClassificationData(ClassData, ImageData):
    """A dataset of images, each with a `label`."""

    kind = "classification"
