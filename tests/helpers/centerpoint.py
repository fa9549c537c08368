"""The detector of FlatFormer's authors beside ours, part by part, from points to boxes."""

import json
from typing import Any, cast

import torch
from helpers.flatformer import build_flatformer
from helpers.parity_files import ParityFile, check_tensor
from torch import Tensor, nn

from vision import load_weights
from vision.contracts.lidar import LidarTarget
from vision.heads.detection3d.center import CenterCandidates, CenterDetections, CenterHead
from vision.heads.detection3d.pillars import PillarEncoder
from vision.losses.center import CenterLoss
from vision.necks.birds_eye import BirdsEye
from vision.ops.boxes3d import from_lidar, to_lidar
from vision.ops.center_maps import BOX_CODE, CenterOutputs
from vision.weights.names.flatformer import MAPS
from vision.weights.names.write import to_naming

# Of the largest value, in float32.
TOLERANCE = 1e-5
# Strides of the two blocks of the neck, which their code has written in it.
STRIDES = (1, 2)
# Their name of a term of the loss by ours.
TERMS = {"loss_bbox": "loss_box", "loss_heatmap": "loss_heatmap", "loss_iou": "loss_overlap"}


class Detector(nn.Module):
    """The parts, for the options of theirs."""

    def __init__(self, options: dict[str, Any], in_channels: int) -> None:
        super().__init__()
        left = dict(options)
        *cell, height = left.pop("voxel_size")
        grid = {"cell_size": cell, "point_range": left.pop("point_cloud_range")}
        extent = grid["point_range"][5] - grid["point_range"][2]
        assert height >= extent - 1e-6, "pillars of several cells are not supported"
        self.reader = PillarEncoder(
            in_channels=in_channels, channels=left.pop("feat_channels"), grid=grid
        )
        self.backbone = build_flatformer(left.pop("middle_encoder"))
        self.neck = BirdsEye(
            self.reader.feature_specs,
            channels=left.pop("second_channels"),
            depths=left.pop("layer_nums"),
            strides=STRIDES,
            out_channels=left.pop("fpn_channels"),
        )
        wanted, limit = left.pop("post_center_range"), left.pop("post_center_limit_range")
        holds = [
            a <= b for a, b in zip(limit[:3] + wanted[3:], wanted[:3] + limit[3:], strict=True)
        ]
        assert all(holds), "post_center_limit_range within post_center_range is not supported"
        weights = left.pop("code_weights")
        self.head = CenterHead(
            self.neck.feature_specs,
            num_classes=len(left.pop("class_names")),
            grid=grid,
            shared_channels=left.pop("share_conv_channel"),
            channels=left.pop("head_conv"),
            velocity=len(weights) > BOX_CODE,
            overlap_power=left.pop("iou_pow"),
            score_threshold=left.pop("score_threshold"),
            center_range=wanted,
            max_candidates=left.pop("max_num"),
            nms_threshold=left.pop("nms_thr"),
            max_before_nms=left.pop("pre_max_size"),
            max_per_class=left.pop("post_max_size"),
        )
        self.criterion = CenterLoss(
            grid=self.head.map_grid,
            options={
                "code_weights": weights,
                "max_objects": left.pop("max_objs"),
                "min_radius": left.pop("min_radius"),
            },
        )
        assert not left, f"{sorted(left)} are not supported"


def check_centerpoint(reference: ParityFile) -> None:
    """Every tensor of a file, and its weights written again."""
    points = [value for _, value in sorted(reference.folder("input/points").items())]
    options = json.loads(reference.metadata["kwargs"])
    model = Detector(options, points[0].shape[1]).eval()
    theirs = reference.folder("state_dict")
    report = load_weights(model, theirs)
    assert report.naming == "flatformer"
    assert [*report.missing, *report.unexpected, *report.resized, *report.reinitialised] == []
    written = to_naming(model, "official")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[key], theirs[key]) for key in theirs)
    with torch.no_grad():
        _check_network(model, reference, points)
        _check_detections(model.head, reference)
    _check_loss(model.criterion, reference)


def _check_network(model: Detector, reference: ParityFile, points: list[Tensor]) -> None:
    tensors, counts = reference.tensors, torch.tensor([len(one) for one in points])
    packed = torch.cat(points)
    cells = model.reader.cells(packed, counts)
    assert torch.equal(cells, tensors["voxel/point_coords"].long())
    features, coords = model.reader(packed, counts)
    order = coords.new_tensor(
        sorted(range(len(coords)), key=tensors["voxel/coords"].tolist().__getitem__)
    )
    assert torch.equal(coords, tensors["voxel/coords"].long()[order])
    check_tensor(features, tensors["voxel/features"][order], TOLERANCE, "voxel/features")
    features = model.backbone(features, coords)
    bird = model.reader.to_map(features, coords, len(points))
    check_tensor(bird, tensors["middle"], TOLERANCE, "middle")
    for i, found in enumerate(model.neck.stages(bird)):
        check_tensor(found, tensors[f"second/{i}"], TOLERANCE, f"second/{i}")
    maps = model.neck(bird)
    check_tensor(maps[0], tensors["neck"], TOLERANCE, "neck")
    outputs = cast(dict[str, Tensor], model.head(maps))
    expected = reference.folder("head")
    assert {MAPS[name] for name in expected} == outputs.keys()
    for name, value in expected.items():
        check_tensor(outputs[MAPS[name]], value, TOLERANCE, f"head/{name}")


def _ours(maps: dict[str, Tensor]) -> CenterOutputs:
    return cast(CenterOutputs, {MAPS[name]: value for name, value in maps.items()})


def _theirs(found: CenterDetections, *, bottom: bool) -> Tensor:
    """Boxes as they write them: sizes along x, y, z, clockwise yaw, velocity."""
    boxes = to_lidar(found["boxes3d"], bottom=bottom)
    turned = -found["boxes3d"][:, 6:]
    return torch.cat([boxes[:, :6], turned, found["velocity"]], dim=1)


def _check_detections(head: CenterHead, reference: ParityFile) -> None:
    outputs = _ours(reference.folder("head"))
    candidates, found = head.decode(outputs), head.predict(outputs)
    for i, objects in enumerate(found):
        decoded, expected = (reference.folder(f"{name}/{i}") for name in ("decoded", "detections"))
        valid = candidates["valid"][i]
        one = {key: value[i][valid] for key, value in cast(dict, candidates).items()}
        order = decoded["scores"].argsort(descending=True, stable=True)
        assert torch.equal(one["labels"], decoded["labels"][order].long())
        check_tensor(one["scores"], decoded["scores"][order], TOLERANCE, f"decoded/{i}/scores")
        boxes = _theirs(cast(CenterDetections, one), bottom=False)
        check_tensor(boxes, decoded["boxes"][order], TOLERANCE, f"decoded/{i}/boxes")
        # Of what they decoded exactly their choice is left, and so is of what we did.
        chosen = head.select(_candidates(decoded))[0]
        order = expected["scores"].argsort(descending=True, stable=True)
        assert torch.equal(chosen["scores"], expected["scores"][order])
        for ours in (chosen, objects):
            assert torch.equal(ours["labels"], expected["labels"][order].long())
            check_tensor(ours["scores"], expected["scores"][order], TOLERANCE, "scores")
            check_tensor(
                _theirs(ours, bottom=True), expected["boxes"][order], TOLERANCE, f"detections/{i}"
            )


def _candidates(decoded: dict[str, Tensor]) -> CenterCandidates:
    boxes = decoded["boxes"]
    turned = torch.cat([boxes[:, :6], -boxes[:, 6:7]], dim=1)
    return {
        "boxes3d": from_lidar(turned)[None],
        "scores": decoded["scores"][None],
        "labels": decoded["labels"].long()[None],
        "valid": torch.ones(1, len(boxes), dtype=torch.bool),
        "velocity": boxes[None, :, 7:],
    }


def _objects(target: dict[str, Tensor]) -> LidarTarget:
    turned = torch.cat([target["boxes"][:, :6], -target["boxes"][:, 6:7]], dim=1)
    return {"boxes3d": from_lidar(turned, bottom=True), "labels": target["labels"].long()}


def _check_loss(criterion: CenterLoss, reference: ParityFile) -> None:
    tensors = reference.tensors
    leaves = {k: v.clone().requires_grad_() for k, v in reference.folder("loss_input").items()}
    outputs = _ours(leaves)
    targets = [_objects(reference.folder(f"target/{i}")) for i in range(len(leaves["heatmap"]))]
    wanted = criterion.targets(targets, leaves["heatmap"].shape)
    assert torch.equal(wanted.cell, tensors["targets/index"])
    assert torch.equal(wanted.mask, tensors["targets/mask"].bool())
    check_tensor(wanted.heatmap, tensors["targets/heatmap"], TOLERANCE, "targets/heatmap")
    assert torch.equal(wanted.heatmap == 1, tensors["targets/heatmap"] == 1)
    code = tensors["targets/anno_box"]
    check_tensor(wanted.code, code[..., :BOX_CODE], TOLERANCE, "targets/anno_box")
    assert not code[..., BOX_CODE:].any(), "velocities of objects are not supported"
    found = torch.cat([leaves[k] for k in ("reg", "height", "dim", "rot")], dim=1)
    found = found.flatten(2).transpose(1, 2)
    found = found.gather(1, wanted.cell[..., None].expand(-1, -1, BOX_CODE))
    overlaps = criterion.overlaps(found, wanted, leaves["heatmap"].shape[-1])
    check_tensor(overlaps, tensors["targets/iou"], TOLERANCE, "targets/iou")
    terms = criterion(outputs, targets)
    for theirs, ours in TERMS.items():
        check_tensor(terms[ours].detach(), tensors[f"loss/{theirs}"], TOLERANCE, ours)
    total = torch.stack(list(terms.values())).sum()
    check_tensor(total.detach(), tensors["loss/total"], TOLERANCE, "loss/total")
    total.backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None, name
        expected = tensors[f"grad/{name}"]
        if expected.any():
            check_tensor(leaf.grad, expected, TOLERANCE, f"grad/{name}")
        else:
            assert not leaf.grad.any(), name
