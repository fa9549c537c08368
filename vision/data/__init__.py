"""Datasets and their LightningDataModules. Names resolve on first use."""

from vision.lazy import lazy_names

_MODULES = {
    "CIFAR10": "vision.data.cifar",
    "CIFAR100": "vision.data.cifar",
    "COCO": "vision.data.coco",
    "DataModule": "vision.data.base",
    "Digits": "vision.data.digits",
    "ImageFolder": "vision.data.image_folder",
    "ImageNet": "vision.data.imagenet",
    "ImageShards": "vision.data.image_shards",
    "VOC": "vision.data.voc",
    "YOLO": "vision.data.yolo",
    "read_image": "vision.data.images",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
