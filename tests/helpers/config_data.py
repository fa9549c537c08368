"""A little data for a step of each shipped config: what to write, and the options that read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_depth import CAMERA, write_depth_folder
from helpers.tiny_kitti import write_kitti_objects
from helpers.tiny_masks import CLASSES, write_mask_folder
from helpers.tiny_monocular import TINY as SMALL_MONODETR
from helpers.tiny_nyuv2 import write_kitti, write_labeled
from helpers.tiny_panoptic import SMALL as SMALL_HEAD
from helpers.tiny_points import write_point_folder, write_s3dis
from helpers.tiny_segmentation_sets import write_ade20k, write_cityscapes
from helpers.tiny_segments import CLASSES as SEGMENTED_CLASSES
from helpers.tiny_segments import write_panoptic
from helpers.tiny_sweeps import write_kitti_sweeps
from helpers.tiny_volumes import write_brats, write_volume_list
from PIL import Image

from vision.data.synthetic.semantic import CLASSES as SAMPLED_CLASSES


def image_folder(root: Path) -> list[str]:
    """Options for a folder of a few small images."""
    for label in ("cat", "dog"):
        save_images(root / label)
    return ["--data.root", str(root), "--data.num_workers", "0", "--data.batch_size", "2"]


def imagenet(root: Path) -> list[str]:
    """Options for a few small images in ImageNet's folders, on a machine without a GPU."""
    for split in ("train", "val"):
        for wnid in ("n01440764", "n02123045"):
            save_images(root / split / wnid)
    options = {
        **{"data.root": root, "data.num_workers": 0, "data.batch_size": 2, "data.image_size": 64},
        **{"trainer.num_nodes": 1, "trainer.devices": 1, "trainer.precision": "32-true"},
        # lr is stated for thousands of images: scaled to two, it would be less than min_lr.
        **{"model.optim.lr_batch_size": 2, "model.pretrained": "false"},
    }
    return words(options)


def save_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (48 + i, 40), (90 * i, 40, 200)).save(folder / f"{i}.JPEG")


def coco(root: Path) -> list[str]:
    """Options for a few small images in COCO's folders, on a machine without a GPU."""
    write_tiny_coco(root, size=(64, 80))
    options = {
        **{"data.root": root, "data.num_workers": 0, "data.batch_size": 2, "data.cache_dir": ""},
        **{"data.short_side": 64, "data.augment.short_sides": "[64]", "data.augment.crop": "none"},
        **{"trainer.devices": 1, "trainer.precision": "32-true", "trainer.sync_batchnorm": "false"},
        **{"model.num_classes": 3, "model.pretrained": "false"},
    }
    return words(options)


SMALL_MASKS = {
    **{"data.num_workers": 0, "data.batch_size": 2, "data.short_side": 48, "data.long_side": 96},
    **{
        "data.augment.short_side": 48,
        "data.augment.long_side": 96,
        "data.augment.crop": "[64, 64]",
    },
    **{"trainer.devices": 1, "trainer.precision": "32-true", "trainer.sync_batchnorm": "false"},
    "model.pretrained": "false",
}


def ade20k(root: Path) -> list[str]:
    """Options for a few small images in ADE20K's folders, with the classes of the samples."""
    write_ade20k(root, rows=SAMPLED_CLASSES)
    return words({"data.root": root, "model.num_classes": len(SAMPLED_CLASSES), **SMALL_MASKS})


def cityscapes(root: Path) -> list[str]:
    """Options for a few small images in Cityscapes' folders."""
    write_cityscapes(root)
    return words({"data.root": root, **SMALL_MASKS})


def mask_folder(root: Path) -> list[str]:
    """Options for a few small images with masks."""
    write_mask_folder(root)
    classes = f"[{', '.join(CLASSES)}]"
    return words({"data.root": root, "data.classes": classes, **SMALL_MASKS})


SMALL_MAPS = {
    **{"data.num_workers": 0, "data.batch_size": 2, "data.augment.crop": "[32, 32]"},
    **{"data.short_side": 48, "data.long_side": 96},
    **{"trainer.devices": 1, "trainer.precision": "32-true", "trainer.sync_batchnorm": "false"},
    "model.pretrained": "false",
}


def depth_folder(root: Path) -> list[str]:
    """Options for a few small images with depth."""
    write_depth_folder(root)
    return words({"data.root": root, "data.scale": 1000, **SMALL_MAPS})


def normals_folder(root: Path) -> list[str]:
    """Options for a few small images with normals."""
    write_depth_folder(root)
    return words({"data.root": root, **SMALL_MAPS})


def nyuv2(root: Path) -> list[str]:
    """Options for a few small images in the labelled file of NYU Depth V2."""
    write_labeled(root)
    return words({"data.root": root, "data.camera": list(CAMERA), **SMALL_MAPS})


def kitti(root: Path) -> list[str]:
    """Options for a few small images in KITTI's folders."""
    write_kitti(root)
    return words({"data.root": root, "data.kb_crop": "false", **SMALL_MAPS})


def coco_panoptic(root: Path) -> list[str]:
    """Options for a few small images with segments, on a machine without a GPU."""
    write_panoptic(root)
    options = {
        **{"data.root": root, "data.num_workers": 0, "data.batch_size": 2},
        **{"data.long_side": 65, "data.canvas": "[65, 65]", "data.augment.crop": "[65, 65]"},
        **{"trainer.devices": 1, "trainer.num_nodes": 1, "trainer.precision": "32-true"},
        "trainer.sync_batchnorm": "false",
        **{"model.num_classes": len(SEGMENTED_CLASSES), "model.pretrained": "false"},
        "model.head_options": json.dumps(SMALL_HEAD),
    }
    return words(options)


def kitti_objects(root: Path) -> list[str]:
    """Options for a few small images with boxes in space, in KITTI's folders."""
    write_kitti_objects(root)
    head = {key: value for key, value in SMALL_MONODETR.items() if key != "num_classes"}
    options = {
        **{"data.root": root, "data.num_workers": 0, "data.batch_size": 2},
        **{"data.image_size": "[64, 96]", "trainer.devices": 1, "model.pretrained": "false"},
        "model.head_options": json.dumps(head),
    }
    return words(options)


def kitti_sweeps(root: Path) -> list[str]:
    """Options for a few small sweeps with boxes in space, in KITTI's folders."""
    write_kitti_sweeps(root)
    return words({"data.root": root, "data.num_workers": 0, "data.batch_size": 2})


SMALL_VOLUMES = {
    **{"data.num_workers": 0, "data.batch_size": 1, "data.augment.patch_size": "[16, 16, 16]"},
    **{"trainer.devices": 1, "model.inference.window": "[16, 16, 16]"},
    "model.backbone": "swin_volume",
    "model.backbone_options": "{dim: 6, depths: [1, 1], num_heads: [1, 2]}",
}


def brats(root: Path) -> list[str]:
    """Options for a few small volumes in BraTS's folders."""
    write_brats(root)
    return words({"data.root": root, **SMALL_VOLUMES})


def volume_folder(root: Path) -> list[str]:
    """Options for a few small volumes in a list."""
    write_volume_list(root)
    classes = "[background, necrotic, edema, enhancing]"
    return words({"data.root": root, "data.classes": classes, **SMALL_VOLUMES})


SMALL_POINTS = {
    **{"data.num_workers": 0, "data.batch_size": 1, "data.voxel_size": 0.15},
    "model.backbone": "swin3d",
    "model.backbone_options": "{channels: [8, 16], depths: [1, 1], num_heads: [1, 2], "
    "window_sizes: [3, 3]}",
}


def s3dis(root: Path) -> list[str]:
    """Options for a few small rooms of S3DIS."""
    write_s3dis(root)
    return words({"data.root": root, **SMALL_POINTS})


def point_folder(root: Path) -> list[str]:
    """Options for a few small clouds in folders."""
    write_point_folder(root)
    return words({"data.root": root, "data.classes": "[a, b, c, d]", **SMALL_POINTS})


def words(options: dict[str, Any]) -> list[str]:
    return [word for key, value in options.items() for word in (f"--{key}", str(value))]


# Short class name of a datamodule -> options that give it data.
FAKE_DATA: dict[str, Callable[[Path], list[str]]] = {
    "Digits": lambda root: [],
    "ImageFolder": image_folder,
    "MultiLabelFolder": image_folder,
    "ImageNet": imagenet,
    "COCO": coco,
    "ADE20K": ade20k,
    "Cityscapes": cityscapes,
    "MaskFolder": mask_folder,
    "DepthFolder": depth_folder,
    "NormalsFolder": normals_folder,
    "NYUv2": nyuv2,
    "NYUv2Normals": nyuv2,
    "KITTIDepth": kitti,
    "COCOPanoptic": coco_panoptic,
    "KITTI": kitti_objects,
    "KITTILidar": kitti_sweeps,
    "BraTS": brats,
    "VolumeFolder": volume_folder,
    "S3DIS": s3dis,
    "PointFolder": point_folder,
}
