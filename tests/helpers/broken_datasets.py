"""A tiny good copy of every dataset type, and what several breaks of it should be told as."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from helpers.broken_dense_sets import (
    damage_depth_folder,
    damage_kitti,
    damage_normals_folder,
    damage_nyuv2,
    damage_nyuv2_normals,
    write_depth_options,
    write_kitti_options,
    write_normals_options,
    write_nyuv2_normals_options,
    write_nyuv2_options,
)
from helpers.broken_kitti import damage_kitti_objects, write_kitti_objects_options
from helpers.broken_points import (
    damage_point_folder,
    damage_s3dis,
    damage_scannet,
    write_point_folder_options,
    write_s3dis_options,
    write_scannet_options,
)
from helpers.broken_volumes import (
    damage_brats,
    damage_decathlon,
    damage_volume_folder,
    write_brats_options,
    write_decathlon_options,
    write_volume_folder_options,
)
from helpers.cut_files import cut
from helpers.shards import class_folders
from helpers.tiny_boxes import write_image, write_voc, write_yolo
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_imagenet import WNIDS, write_folders
from helpers.tiny_lvis import damage_lvis, write_tiny_lvis
from helpers.tiny_masks import write_mask_folder
from helpers.tiny_nuscenes import damage_nuscenes, write_nuscenes_options
from helpers.tiny_segmentation_sets import (
    ADE20K_ROWS,
    cells,
    write_ade20k,
    write_cityscapes,
    write_coco_stuff,
    write_mask,
    write_voc_segmentation,
)
from helpers.tiny_segments import (
    write_ade20k_panoptic,
    write_cityscapes_panoptic,
    write_panoptic,
    write_pixels,
)
from helpers.tiny_sweeps import damage_kitti_lidar, write_kitti_lidar_options
from PIL import Image

from vision.data import COCO, ImageFolder, MaskFolder
from vision.data.shards.writer import make_shards

CIFAR = {
    "CIFAR10": (
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
        ("batches.meta", "label_names", "labels", 10),
    ),
    "CIFAR100": (
        "cifar-100-python",
        ("train", "test"),
        ("meta", "fine_label_names", "fine_labels", 100),
    ),
}


class Case(NamedTuple):
    """A dataset.

    Attributes:
        write: Writes a good copy into a folder; returns the options that read it.
        damage: Breaks it at several places; returns a part of the message of each problem.
        images: Number of images that are decoded.
    """

    write: Callable[[Path], dict[str, Any]]
    damage: Callable[[Path], list[str]]
    images: int


def write_folder(root: Path) -> dict[str, Any]:
    class_folders(root, train=4, val=2)
    return {"root": root}


def damage_folder(root: Path) -> list[str]:
    cut(root / "train" / "ant" / "ant.1.PNG")
    (root / "val" / "bee" / "bee.0.PNG").write_bytes(b"")
    for name in ("wasp", "antt"):
        write_image(root / "val" / name / "x.png")
    (root / "val" / "wasp" / "x.png").write_text("no image")
    (root / "train" / "fly").mkdir()
    return [
        "ant.1.PNG'",
        "bee.0.PNG' is empty",
        "x.png' is not an image",
        "val/wasp' is a class that the training set lacks",
        "val/antt' is a class that the training set lacks. Did you mean 'ant'",
        "train/fly' has no images",
    ]


def write_imagenet(root: Path) -> dict[str, Any]:
    write_folders(root, flat_val=False)
    return {"root": root}


def damage_imagenet(root: Path) -> list[str]:
    first = sorted((root / "train" / WNIDS[0]).iterdir())[0]
    cut(first)
    (root / "val" / WNIDS[1]).rename(root / "val" / "n00000001")
    for name in ("cats", "dogs"):
        write_image(root / "train" / name / "x.png")
    return [
        f"{first.name}'",
        "val/n00000001' is a class that the training set lacks",
        "train/cats' is not a class of ImageNet",
        "train/dogs' is not a class of ImageNet",
    ]


def write_shards(root: Path) -> dict[str, Any]:
    source = class_folders(root.parent / "source", train=30)
    make_shards(ImageFolder(root=source, num_workers=0), root, shard_bytes=20_480)
    return {"root": root, "window": 1}


def write_detection_shards(root: Path) -> dict[str, Any]:
    write_tiny_coco(root.parent / "coco", images=4)
    data = COCO(root=root.parent / "coco", cache_dir="", num_workers=0)
    make_shards(data, root, shard_bytes=20_480)
    return {"root": root, "annotations_cache": ""}


def damage_detection_shards(root: Path) -> list[str]:
    path = root / "train" / "annotations.json"
    content = json.loads(path.read_text())
    first = content["annotations"][0]
    first["bbox"][0] = float("nan")
    path.write_text(json.dumps(content))
    shard = sorted((root / "val").glob("*.tar"))[0]
    shard.unlink()
    return [f"annotations.json': annotation {first['id']} ", f"there is no shard '{shard}'"]


def write_segmentation_shards(root: Path) -> dict[str, Any]:
    data = MaskFolder(root=write_mask_folder(root.parent / "masks"), num_workers=0)
    make_shards(data, root, shard_bytes=20_480)
    return {"root": root}


def damage_segmentation_shards(root: Path) -> list[str]:
    shard = sorted((root / "train").glob("*.tar"))[0]
    content = bytearray(shard.read_bytes())
    starts = [match.start() for match in re.finditer(b"\x89PNG", content)]
    for place in (starts[0], starts[3]):  # the mask of one sample, the image of the next
        content[place : place + 4] = b"xxxx"
    shard.write_bytes(content)
    (root / "val" / "index.json").write_text("{")
    return ["mask.png' is no PNG file", "is not an image", "val/index.json"]


def damage_shards(root: Path) -> list[str]:
    first, second = sorted((root / "train").glob("*.tar"))[:2]
    first.unlink()
    content = bytearray(second.read_bytes())
    place = content.index(b"\x89PNG")
    content[place : place + 4] = b"xxxx"
    second.write_bytes(content)
    (root / "val" / "index.json").write_text("{")
    return [f"there is no shard '{first}'", "is not an image", "val/index.json"]


def write_cifar(name: str) -> Callable[[Path], dict[str, Any]]:
    folder, files, (meta, names, labels, count) = CIFAR[name]

    def write(root: Path) -> dict[str, Any]:
        (root / folder).mkdir(parents=True)
        classes = [f"class {i}" for i in range(count)]
        (root / folder / meta).write_bytes(pickle.dumps({names: classes}, protocol=2))
        for file in files:
            data = np.zeros((2, 3072), dtype=np.uint8)
            content = {"data": data, labels: [0, count - 1]}
            (root / folder / file).write_bytes(pickle.dumps(content, protocol=2))
        return {"root": root}

    return write


def damage_cifar(name: str) -> Callable[[Path], list[str]]:
    folder, files, _ = CIFAR[name]

    def damage(root: Path) -> list[str]:
        cut(root / folder / files[0])
        (root / folder / files[-1]).unlink()
        return [f"{files[0]}'", f"has no '{files[-1]}'"]

    return damage


def write_coco(root: Path) -> dict[str, Any]:
    write_tiny_coco(root, images=4)
    return {"root": root, "cache_dir": ""}


def damage_coco(root: Path) -> list[str]:
    path = root / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    first, second, third = (content["annotations"][i] for i in range(3))
    first["bbox"][0] = float("nan")
    second["category_id"] = 8
    third["image_id"] = 77
    path.write_text(json.dumps(content))
    images = sorted((root / "train2017").iterdir())
    cut(images[0])
    images[1].unlink()
    first_val = sorted((root / "val2017").iterdir())[0]
    Image.new("RGB", (9, 7)).save(first_val)
    cut(root / "annotations" / "image_info_test-dev2017.json")
    return [
        f"instances_train2017.json': annotation {first['id']} ",
        f"annotation {second['id']} (image {second['image_id']}): its category_id 8 is not listed",
        f"annotation {third['id']} (image 77)",
        f"{images[0].name}' is truncated",
        f"there is no image '{images[1]}'",
        first_val.name,
        "image_info_test-dev2017.json",
    ]


def write_yolo_options(root: Path) -> dict[str, Any]:
    return {"root": write_yolo(root)}


def damage_yolo(root: Path) -> list[str]:
    labels = root / "labels"
    (labels / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n9 0.5 0.5 0.5 0.5\n0 1\n")
    (labels / "val" / "e.txt").write_text("0 0.5 0.5 0.5 nan\n")
    (labels / "val" / "nobody.txt").write_text("")
    cut(root / "images" / "train" / "b.jpg")
    return [
        "a.txt', line 2: class 9",
        "a.txt', line 3: 2 numbers",
        "e.txt', line 1: a coordinate is not a finite number",
        "nobody.txt' has labels, but there is no image",
        "b.jpg' is truncated",
    ]


def write_voc_options(root: Path) -> dict[str, Any]:
    return {"root": write_voc(root)}


def damage_voc(root: Path) -> list[str]:
    folder = root / "VOCdevkit" / "VOC2007"
    path = folder / "Annotations" / "000005.xml"
    text = path.read_text().replace("<name>chair", "<name>table", 1)
    path.write_text(text.replace("<xmax>60", "<xmax>600"))
    cut(folder / "Annotations" / "000009.xml")
    write_image(folder / "JPEGImages" / "000007.jpg", size=(30, 30))
    (root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2008_000002.jpg").unlink()
    return [
        "000005.xml', object 1 (table)",
        "000005.xml', object 2 (dog)",
        "000009.xml' is not a whole XML file",
        "000007.jpg",
        "there is no image",
    ]


def write_ade20k_options(root: Path) -> dict[str, Any]:
    return {"root": write_ade20k(root, rows=ADE20K_ROWS, test=True)}


def damage_ade20k(root: Path) -> list[str]:
    masks = root / "annotations"
    first, second = sorted((masks / "training").iterdir())
    first.rename(first.with_name("alone.png"))
    write_mask(second, cells([0, 7], 0))
    write_mask(masks / "validation" / "ADE_val_00000001.png", cells([1], 0, (9, 9)))
    cut(root / "release_test" / "testing" / "ADE_test_00000001.jpg")
    return [
        f"{first.stem}.jpg' has no mask",
        "alone.png' has no image",
        f"{second.name}' has the value 7",
        "ADE_val_00000001.png",
        "ADE_test_00000001.jpg' cannot be read",
    ]


def write_cityscapes_options(root: Path) -> dict[str, Any]:
    write_cityscapes(root)
    # One is drawn from polygons.
    mask_of(root, "train/ulm/ulm_000000_000019").unlink()
    return {"root": root}


def damage_cityscapes(root: Path) -> list[str]:
    cut(root / "gtFine/train/ulm/ulm_000000_000019_gtFine_polygons.json")
    write_mask(mask_of(root, "train/aachen/aachen_000000_000019"), cells([40], 0))
    cut(mask_of(root, "train/aachen/aachen_000001_000019"))
    (root / "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png").rename(
        root / "leftImg8bit/val/lindau/other_leftImg8bit.png"
    )
    return [
        "ulm_000000_000019_gtFine_polygons.json' is not valid JSON",
        "aachen_000000_000019_gtFine_labelIds.png' has the value 40",
        "aachen_000001_000019_gtFine_labelIds.png' cannot be read",
        "other_leftImg8bit.png' has no mask",
        "lindau_000000_000019_gtFine_labelIds.png' has no image",
    ]


def mask_of(root: Path, name: str) -> Path:
    return root / "gtFine" / f"{name}_gtFine_labelIds.png"


def write_voc_segmentation_options(root: Path) -> dict[str, Any]:
    return {"root": write_voc_segmentation(root), "sbd_root": root}


def damage_voc_segmentation(root: Path) -> list[str]:
    folder = root / "VOCdevkit" / "VOC2012"
    (folder / "SegmentationClass" / "2007_000032.png").unlink()
    write_mask(folder / "SegmentationClass" / "2007_000033.png", cells([21], 0))
    (folder / "JPEGImages" / "2007_000039.jpg").unlink()
    sbd = root / "benchmark_RELEASE" / "dataset"
    cut(sbd / "cls" / "2008_000002.mat")
    cut(sbd / "img" / "2008_000003.jpg")
    return [
        "2007_000032.jpg' has no mask",
        "2007_000033.png' has the value 21",
        "2007_000039.jpg', which is listed",
        "2008_000002.mat' is not a mask of SBD",
        "2008_000003.jpg' cannot be read",
    ]


def write_coco_stuff_options(root: Path) -> dict[str, Any]:
    return {"root": write_coco_stuff(root, (0, 5, 181))}


def damage_coco_stuff(root: Path) -> list[str]:
    maps = root / "stuffthingmaps"
    write_mask(maps / "train2017" / "000000000009.png", cells([11, 0], 0))
    (maps / "train2017" / "000000000025.png").unlink()
    (maps / "val2017" / "000000000139.png").write_text("no picture")
    return [
        "000000000009.png' has the value 11",
        "000000000025.jpg' has no mask",
        "000000000139.png' is no PNG file",
    ]


def write_coco_panoptic(root: Path) -> dict[str, Any]:
    return {"root": write_panoptic(root), "cache_dir": ""}


def damage_coco_panoptic(root: Path) -> list[str]:
    path = root / "annotations" / "panoptic_train2017.json"
    content = json.loads(path.read_text())
    first, second, third, fourth = content["annotations"]
    first["segments_info"][0]["category_id"] = 8
    second["segments_info"][1]["id"] = second["segments_info"][0]["id"]
    content["annotations"].remove(third)
    path.write_text(json.dumps(content))
    cut(root / "annotations" / "panoptic_train2017" / fourth["file_name"])
    masks = sorted((root / "annotations" / "panoptic_val2017").iterdir())
    write_pixels(masks[0], np.array(Image.open(masks[0]))[:-2])
    write_pixels(masks[1], np.array(Image.open(masks[1])) // 2)
    return [
        f"segment {first['segments_info'][0]['id']}: its category_id 8 is not in 'categories'",
        f"the segments of image {second['image_id']}: 2 entries have the id",
        f"image {third['image_id']}: it has no annotation",
        f"{fourth['file_name']}' cannot be read",
        f"{masks[0].name}' has 38 x 56 pixels",
        f"{masks[1].name}' has pixels of segment",
    ]


def write_cityscapes_panoptic_options(root: Path) -> dict[str, Any]:
    return {"root": write_cityscapes_panoptic(root, scripts=True), "cache_dir": ""}


def damage_cityscapes_panoptic(root: Path) -> list[str]:
    (root / "gtFine" / "cityscapes_panoptic_val.json").write_text("{")
    image = root / "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png"
    image.unlink()
    return ["cityscapes_panoptic_val.json' is not valid JSON", f"there is no image '{image}'"]


def write_ade20k_panoptic_options(root: Path) -> dict[str, Any]:
    return {"root": write_ade20k_panoptic(root), "cache_dir": ""}


def damage_ade20k_panoptic(root: Path) -> list[str]:
    cut(root / "images" / "training" / "ADE_train_00000001.jpg")
    (root / "ade20k_panoptic_val" / "ADE_val_00000001.png").write_bytes(b"")
    return ["ADE_train_00000001.jpg' cannot be read", "ADE_val_00000001.png' is no PNG file"]


def write_mask_folder_options(root: Path) -> dict[str, Any]:
    return {"root": write_mask_folder(root)}


def damage_mask_folder(root: Path) -> list[str]:
    masks = root / "masks"
    (masks / "train" / "0.png").rename(masks / "train" / "alone.png")
    write_mask(masks / "train" / "1.png", cells([0, 3], 0, (40, 56)))
    cut(masks / "train" / "2.png")
    write_mask(masks / "val" / "0.png", cells([1], 0))
    cut(root / "images" / "val" / "1.png")
    return [
        "images/train/0.png' has no mask",
        "alone.png' has no image",
        "masks/train/1.png' has the value 3",
        "masks/train/2.png' cannot be read",
        "masks/val/0.png",
        "images/val/1.png",
    ]


CASES = {
    "ImageFolder": Case(write_folder, damage_folder, 12),
    "MultiLabelFolder": Case(write_folder, damage_folder, 12),
    "ImageNet": Case(write_imagenet, damage_imagenet, 10),
    "ImageShards": Case(write_shards, damage_shards, 70),
    "DetectionShards": Case(write_detection_shards, damage_detection_shards, 8),
    "SegmentationShards": Case(write_segmentation_shards, damage_segmentation_shards, 6),
    "CIFAR10": Case(write_cifar("CIFAR10"), damage_cifar("CIFAR10"), 0),
    "CIFAR100": Case(write_cifar("CIFAR100"), damage_cifar("CIFAR100"), 0),
    "COCO": Case(write_coco, damage_coco, 12),
    "LVIS": Case(write_tiny_lvis, damage_lvis, 12),
    "YOLO": Case(write_yolo_options, damage_yolo, 5),
    "VOC": Case(write_voc_options, damage_voc, 4),
    "ADE20K": Case(write_ade20k_options, damage_ade20k, 4),
    "Cityscapes": Case(write_cityscapes_options, damage_cityscapes, 5),
    "VOCSegmentation": Case(write_voc_segmentation_options, damage_voc_segmentation, 6),
    "COCOStuff": Case(write_coco_stuff_options, damage_coco_stuff, 3),
    "COCOPanoptic": Case(write_coco_panoptic, damage_coco_panoptic, 6),
    "CityscapesPanoptic": Case(write_cityscapes_panoptic_options, damage_cityscapes_panoptic, 3),
    "ADE20KPanoptic": Case(write_ade20k_panoptic_options, damage_ade20k_panoptic, 4),
    "MaskFolder": Case(write_mask_folder_options, damage_mask_folder, 6),
    "DepthFolder": Case(write_depth_options, damage_depth_folder, 6),
    "NormalsFolder": Case(write_normals_options, damage_normals_folder, 6),
    "NYUv2": Case(write_nyuv2_options, damage_nyuv2, 6),
    "NYUv2Normals": Case(write_nyuv2_normals_options, damage_nyuv2_normals, 6),
    "KITTIDepth": Case(write_kitti_options, damage_kitti, 6),
    "KITTI": Case(write_kitti_objects_options, damage_kitti_objects, 10),
    "KITTILidar": Case(write_kitti_lidar_options, damage_kitti_lidar, 13),
    "NuScenes": Case(write_nuscenes_options, damage_nuscenes, 36),
    "BraTS": Case(write_brats_options, damage_brats, 5),
    "MedicalDecathlon": Case(write_decathlon_options, damage_decathlon, 6),
    "VolumeFolder": Case(write_volume_folder_options, damage_volume_folder, 3),
    "S3DIS": Case(write_s3dis_options, damage_s3dis, 10),
    "ScanNet": Case(write_scannet_options, damage_scannet, 7),
    "PointFolder": Case(write_point_folder_options, damage_point_folder, 5),
}
