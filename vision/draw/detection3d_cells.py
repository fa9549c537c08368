"""Training batches of boxes in space as they are drawn."""

import torch
from torch import Tensor

from vision.contracts.detection3d import MonocularTarget
from vision.draw.boxes3d import draw_boxes3d
from vision.draw.train_batches import DENSE_CELL, Cell, TrainBatch, fit_side, shown_name
from vision.ops.boxes3d import wrap_angle
from vision.ops.camera_views import camera_views, locate
from vision.wording import counted


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the boxes that are rebuilt from their targets, and their range of depth.

    A box lies where its target and the camera of the batch put it: with a camera that does not
    follow the augmentation, that is not where the object was annotated.
    """
    cells = []
    targets = shown.batch.get("target", ())
    for i, (image, target) in enumerate(zip(shown.images, targets, strict=False)):
        camera, camera_size = shown.batch["camera"][i], shown.batch["camera_size"][i]
        boxes = rebuild_boxes(target, camera, camera_size)
        small = fit_side(image, DENSE_CELL)
        # The rows of the input are those of the camera, as in the target.
        scale = torch.tensor(small.shape[1:]) / camera_size
        projection = camera * torch.stack([scale[1], scale[0], torch.tensor(1.0)])[:, None]
        labels = target["labels"]
        count = max([-1, *labels.tolist()]) + 1
        names = [shown_name(shown.class_names, label) for label in range(count)]
        picture = draw_boxes3d(
            small, boxes, projection, labels=labels, class_names=names, palette=shown.palette
        )
        cells.append((torch.from_numpy(picture).permute(2, 0, 1), _range(target)))
    return cells


def rebuild_boxes(target: MonocularTarget, camera: Tensor, camera_size: Tensor) -> Tensor:
    """The boxes in space that targets stand for, as predictions are decoded.

    Args:
        target: M objects, as the input shows them.
        camera: `(3, 4)` projection.
        camera_size: `(2,)` height and width of the image that it projects to.

    Returns:
        float32 `(M, 7)` in the frame of the camera.
    """
    views = camera_views(camera[None], camera_size[None])
    x, y = target["boxes"][None, :, :2].unbind(dim=-1)
    centre = locate(views, views.columns_px(x), views.rows_px(y), target["depth_m"][None])
    middle = target["boxes2d"][:, [0, 2]].mean(dim=1)  # of the ray that alpha counts from
    across = views.columns_px(middle[None])[0] - camera[0, 2]
    yaw = wrap_angle(target["alpha"] + torch.atan2(across, camera[0, 0].expand_as(across)))
    height, width, length = target["sizes"].unbind(dim=1)
    return torch.cat([centre[0], torch.stack([length, height, width, yaw], dim=1)], dim=1).float()


def _range(target: MonocularTarget) -> str:
    depth = target["depth_m"]
    if not len(depth):
        return "no object"
    near, far = f"{depth.min():.0f}", f"{depth.max():.0f}"
    span = near if near == far else f"{near} to {far}"
    return f"{counted(len(depth), 'objects')}, {span} m"
