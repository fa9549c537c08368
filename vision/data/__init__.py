"""Datasets and their LightningDataModules. Names resolve on first use."""

from vision.lazy import lazy_names

_MODULES = {
    "ADE20K": "vision.data.datasets.ade20k",
    "CIFAR10": "vision.data.datasets.cifar",
    "CIFAR100": "vision.data.datasets.cifar",
    "COCO": "vision.data.datasets.coco",
    "COCOStuff": "vision.data.datasets.coco_stuff",
    "Cityscapes": "vision.data.datasets.cityscapes",
    "ClassData": "vision.data.base.classes",
    "ClassificationData": "vision.data.base.classification",
    "DataModule": "vision.data.base.datamodule",
    "DetectionData": "vision.data.base.detection",
    "Digits": "vision.data.datasets.digits",
    "ImageData": "vision.data.base.images",
    "ImageFolder": "vision.data.datasets.image_folder",
    "ImageNet": "vision.data.datasets.imagenet",
    "ImageShards": "vision.data.shards.datamodule",
    "MaskFolder": "vision.data.datasets.mask_folder",
    "SegmentationData": "vision.data.base.segmentation",
    "VOC": "vision.data.datasets.voc",
    "VOCSegmentation": "vision.data.datasets.voc_segmentation",
    "YOLO": "vision.data.datasets.yolo",
    "read_image": "vision.data.images.read",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
