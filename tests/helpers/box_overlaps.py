"""Overlaps of boxes and their suppression by the authors' code beside ours."""

import json

import torch
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor

from vision.contracts.boxes3d import LIDAR
from vision.ops.boxes import box_iof, box_iou
from vision.ops.boxes3d import from_kitti, from_lidar
from vision.ops.rotated_iou import box3d_iou, ground_rectangles, paired_box3d_iou, rotated_iou
from vision.ops.rotated_nms import rotated_nms

TOLERANCE, FINE = 1e-5, 1e-9
# Their float32 overlaps of turned boxes differ from their float64 ones by up to 2e-4.
COARSE = 3e-4


def check_kitti_overlaps(reference: ParityFile) -> None:
    """Overlaps in the image, on the ground and in space."""
    tensors = reference.tensors
    # x, y, z, length, height, width, yaw, with y at the bottom.
    a, b = (from_kitti(tensors[f"boxes3d_{name}"][:, [4, 5, 3, 0, 1, 2, 6]]) for name in "ab")
    found = {
        "iou_bev": rotated_iou(ground_rectangles(a), ground_rectangles(b)),
        "iou_3d": box3d_iou(a, b),
    }
    for name, overlaps in found.items():
        check_tensor(overlaps, tensors[f"{name}_f64"], FINE, name)
        check_tensor(overlaps, tensors[name].double(), COARSE, name)
    flat = tensors["boxes2d_a"], tensors["boxes2d_b"]
    check_tensor(box_iou(*flat), tensors["iou_2d"], FINE, "iou_2d")
    check_tensor(box_iof(*flat), tensors["iof_2d"], FINE, "iof_2d")


def check_centerpoint_boxes(reference: ParityFile) -> None:
    """The overlaps that CenterPoint learns, and its suppression; the network is not compared."""
    options = json.loads(reference.metadata["kwargs"])
    _check_learnt_overlaps(reference, options)
    for image in range(len(reference.tensors["targets/iou"])):
        _check_suppression(reference, options, image)


def _check_learnt_overlaps(reference: ParityFile, options: dict) -> None:
    tensors, outputs = reference.tensors, reference.folder("loss_input")
    index, mask = tensors["targets/index"], tensors["targets/mask"].bool()
    code = torch.cat([outputs[name] for name in ("reg", "height", "dim", "rot")], dim=1)
    width = code.shape[-1]
    code = code.flatten(2).transpose(1, 2)  # (B, cells, 8)
    predicted = code.gather(1, index[..., None].expand(-1, -1, code.shape[-1]))
    boxes = [
        _decode(values.double(), index, width, options)
        for values in (predicted, tensors["targets/anno_box"][..., :8])
    ]
    overlaps = paired_box3d_iou(*boxes, LIDAR)
    expected = tensors["targets/iou"]
    check_tensor((overlaps * mask).to(expected), expected, TOLERANCE, "targets/iou")


def _decode(code: Tensor, index: Tensor, width: int, options: dict) -> Tensor:
    """Boxes of offsets, height, logarithms of sizes, sine and cosine in their cells."""
    size, low = options["voxel_size"], options["point_cloud_range"]
    x = low[0] + (index % width + code[..., 0]) * size[0]
    y = low[1] + (index // width + code[..., 1]) * size[1]
    # Their overlaps take the height of the centre as that of the bottom; yaw is clockwise.
    yaw = -torch.atan2(code[..., 6], code[..., 7])
    numbers = [x, y, code[..., 2], *code[..., 3:6].exp().unbind(-1), yaw]
    return from_lidar(torch.stack(numbers, dim=-1), bottom=True)


def _check_suppression(reference: ParityFile, options: dict, image: int) -> None:
    decoded, expected = (reference.folder(f"{name}/{image}") for name in ("decoded", "detections"))
    boxes = decoded["boxes"]
    labels = decoded["labels"].long()
    kept = rotated_nms(
        boxes[:, [0, 1, 3, 4, 6]] * boxes.new_tensor([1, 1, 1, 1, -1]),
        decoded["scores"],
        labels,
        options["nms_thr"],
        max_before=options["pre_max_size"],
        max_after=options["post_max_size"],
    )
    bottom = boxes[kept].clone()
    bottom[:, 2] -= bottom[:, 5] / 2
    order = expected["scores"].argsort(descending=True, stable=True)
    assert torch.equal(labels[kept], expected["labels"][order].long())
    assert torch.equal(decoded["scores"][kept], expected["scores"][order])
    check_tensor(bottom, expected["boxes"][order], TOLERANCE, f"detections {image}")
