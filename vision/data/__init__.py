"""Datasets and their LightningDataModules. Names resolve on first use."""

from vision.lazy import lazy_names

# Class of each dataset that a config can name -> its module.
DATASETS = {
    "Digits": "vision.data.datasets.digits",
    "ImageFolder": "vision.data.datasets.image_folder",
    "MultiLabelFolder": "vision.data.datasets.multilabel_folder",
    "CIFAR10": "vision.data.datasets.cifar",
    "CIFAR100": "vision.data.datasets.cifar",
    "ImageNet": "vision.data.datasets.imagenet",
    "ImageShards": "vision.data.shards.classification",
    "COCO": "vision.data.datasets.coco",
    "LVIS": "vision.data.datasets.lvis",
    "YOLO": "vision.data.datasets.yolo",
    "VOC": "vision.data.datasets.voc",
    "ADE20K": "vision.data.datasets.ade20k",
    "Cityscapes": "vision.data.datasets.cityscapes",
    "VOCSegmentation": "vision.data.datasets.voc_segmentation",
    "COCOStuff": "vision.data.datasets.coco_stuff",
    "COCOPanoptic": "vision.data.datasets.coco_panoptic",
    "CityscapesPanoptic": "vision.data.datasets.cityscapes_panoptic",
    "ADE20KPanoptic": "vision.data.datasets.ade20k_panoptic",
    "MaskFolder": "vision.data.datasets.mask_folder",
    "DepthFolder": "vision.data.datasets.depth_folder",
    "NormalsFolder": "vision.data.datasets.normals_folder",
    "NYUv2": "vision.data.datasets.nyuv2",
    "NYUv2Normals": "vision.data.datasets.nyuv2_normals",
    "KITTIDepth": "vision.data.datasets.kitti_depth",
    "KITTI": "vision.data.datasets.kitti",
    "NuScenes": "vision.data.datasets.nuscenes",
    "BraTS": "vision.data.datasets.brats",
    "MedicalDecathlon": "vision.data.datasets.medical_decathlon",
    "VolumeFolder": "vision.data.datasets.volume_folder",
    "DetectionShards": "vision.data.shards.detection",
    "SegmentationShards": "vision.data.shards.segmentation",
}
_MODULES = {
    **DATASETS,
    "Augment": "vision.data.transforms.options",
    "Boxes3DAugment": "vision.data.transforms.boxes3d_options",
    "Boxes3DData": "vision.data.base.boxes3d",
    "ClassData": "vision.data.base.classes",
    "ClassificationData": "vision.data.base.classification",
    "DataModule": "vision.data.base.datamodule",
    "DenseAugment": "vision.data.transforms.dense_options",
    "DenseData": "vision.data.base.dense",
    "DepthData": "vision.data.base.depth",
    "DetectionAugment": "vision.data.transforms.detection_options",
    "DetectionData": "vision.data.base.detection",
    "ImageData": "vision.data.base.images",
    "LearnedObjects": "vision.data.transforms.boxes3d_options",
    "NormalsData": "vision.data.base.normals",
    "PanopticAugment": "vision.data.transforms.panoptic_options",
    "PanopticData": "vision.data.base.panoptic",
    "SegmentationAugment": "vision.data.transforms.segmentation_options",
    "SegmentationData": "vision.data.base.segmentation",
    "VolumeAugment": "vision.data.transforms.volumes_options",
    "VolumeData": "vision.data.base.volumes",
    "from_dataset": "vision.data.adapters.from_dataset",
    "read_image": "vision.data.images.read",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
