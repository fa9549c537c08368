"""Datasets and their LightningDataModules. Names resolve on first use."""

from vision.lazy import lazy_names

_MODULES = {
    "ADE20K": "vision.data.ade20k",
    "CIFAR10": "vision.data.cifar",
    "CIFAR100": "vision.data.cifar",
    "COCO": "vision.data.coco",
    "COCOStuff": "vision.data.coco_stuff",
    "Cityscapes": "vision.data.cityscapes",
    "DataModule": "vision.data.base",
    "Digits": "vision.data.digits",
    "ImageFolder": "vision.data.image_folder",
    "ImageNet": "vision.data.imagenet",
    "ImageShards": "vision.data.image_shards",
    "MaskFolder": "vision.data.mask_folder",
    "VOC": "vision.data.voc",
    "VOCSegmentation": "vision.data.voc_segmentation",
    "YOLO": "vision.data.yolo",
    "read_image": "vision.data.images",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
