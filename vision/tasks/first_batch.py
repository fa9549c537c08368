"""Checks of what a task is given, at the first batch of each stage.

Own datasets and loaders meet the model here. Values are checked once: from the second batch on
nothing waits for the device.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from vision.errors import DataError, listed, suggest

Stage = Literal["train", "val", "test", "predict"]
# By Lightning's name.
STAGES: dict[str, Stage] = {
    "train": "train",
    "sanity_check": "val",
    "validate": "val",
    "test": "test",
    "predict": "predict",
}
NAMES: dict[Stage, str] = {
    "train": "training",
    "val": "validation",
    "test": "test",
    "predict": "prediction",
}
# Sums of probabilities may differ from 1 by this, boxes from the image's edge by so many pixels.
TOLERANCE = 1e-2
EDGE = 1.0


class FirstBatches:
    """Checks the first batch of each stage of a task that has `check_batch`."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def begin(self) -> None:
        """Check again from the next batch on: another trainer or other data."""
        self._seen.clear()

    def check(self, task: Any, trainer: Any, batch: Any) -> None:
        """Check a batch if it is the first of the trainer's stage.

        Raises:
            DataError: It is not what the task expects.
        """
        name = trainer.state.stage
        if name is None or name in self._seen:
            return
        self._seen.add(name)
        stage = STAGES[str(name.value)]
        try:
            task.check_batch(batch, stage)
        except DataError as error:
            raise type(error)(f"the first {NAMES[stage]} batch: {error}") from error


def require_keys(batch: object, keys: Sequence[str], *, where: str = "batch") -> None:
    """Check that a batch, or a part of one, is a dict with some keys.

    Args:
        batch: The batch.
        keys: The keys.
        where: Its name in messages.

    Raises:
        DataError: It is not.
    """
    expected = "{" + ", ".join(f"'{key}': ..." for key in keys) + "}"
    if not isinstance(batch, Mapping):
        raise DataError(
            f"{where} is a {type(batch).__name__}, expected a dict {expected}. For a dataset of "
            "(image, target) pairs, make the datamodule by vision.data.from_dataset(train, val, "
            "classes=[...])."
        )
    for key in keys:
        if key not in batch:
            raise DataError(
                f"{where} has no '{key}'; it has {listed(map(repr, batch), maximum=8)}, expected "
                f"{expected}.{suggest(key, map(str, batch))}"
            )


def check_images(images: object, *, channels: int) -> None:
    """Check that images are uint8 or float in 0..255, `(B, C, H, W)`.

    Raises:
        DataError: They are not.
    """
    expected = f"expected a tensor (B, {channels}, H, W), uint8, or float in 0..255"
    name = "batch['image']"
    if not isinstance(images, Tensor):
        raise DataError(f"{name} is a {type(images).__name__}; {expected}.")
    if images.ndim != 4 or images.shape[1] != channels:
        last = images.ndim == 4 and images.shape[3] == channels
        remedy = " The channels come last: permute(0, 3, 1, 2)." if last else ""
        raise DataError(f"{name} is {shown_tensor(images)}; {expected}.{remedy}")
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise DataError(f"{name} is {shown_tensor(images)}; {expected}.")
    low, high = _range(images)
    if low >= 0 and (1 < high <= 255 or high == 0):
        return
    if low >= 0 and high <= 1:
        remedy = (
            "The values are in 0..1, almost certainly divided by 255: leave that out (ToTensor, "
            "ToDtype with scale=True), or multiply by 255."
        )
    elif low < 0:
        remedy = "They look normalised: leave that out."
    else:
        remedy = "Scale them to 0..255."
    raise DataError(
        f"{name} is {shown_tensor(images)}; {expected}. {remedy} The model normalises by itself."
    )


def check_labels(labels: object, *, count: int, num_classes: int, soft: bool) -> None:
    """Check the labels of a batch for a softmax.

    Args:
        labels: Class index of each image, int64 `(B,)`.
        count: Number of images, B.
        num_classes: Number of classes, K.
        soft: Whether probabilities `(B, K)` are possible too.

    Raises:
        DataError: They are of another kind, or out of range.
    """
    also = f", or probabilities, float ({count}, {num_classes})" if soft else ""
    expected = f"expected class indices, int64 ({count},), from 0 to {num_classes - 1}{also}"
    name = "batch['label']"
    if not isinstance(labels, Tensor):
        raise DataError(f"{name} is a {type(labels).__name__}; {expected}.")
    if labels.shape == (count, num_classes) and num_classes > 1:
        if not _is_soft(labels):
            raise DataError(
                f"{name} is {shown_tensor(labels)}, with rows that do not sum to 1: several "
                f"classes per image (multi-hot), which a softmax cannot learn; {expected}. "
                "vision.tasks.MultiLabel learns any number of classes per image."
            )
        if soft and labels.is_floating_point():
            return
        one_hot = bool(((labels == 0) | (labels == 1)).all())
        remedy = "Take labels.argmax(dim=1)." if one_hot else (
            "Probabilities are possible in training, without mixup and cutmix."
        )  # fmt: skip
        raise DataError(f"{name} is {shown_tensor(labels)}; {expected}. {remedy}")
    if labels.shape != (count,):
        remedy = " Take labels.squeeze(1)." if labels.shape == (count, 1) else ""
        raise DataError(f"{name} is {shown_tensor(labels)}; {expected}.{remedy}")
    _check_indices(labels, name, num_classes=num_classes, expected=expected)


def check_label_sets(labels: object, *, count: int, num_classes: int) -> None:
    """Check the labels of images that have any number of classes.

    Args:
        labels: Float `(B, K)`, 1 for each class that is present and 0 for others, or shares.
        count: Number of images, B.
        num_classes: Number of classes, K.

    Raises:
        DataError: They are of another kind, or out of range.
    """
    expected = (
        f"expected float ({count}, {num_classes}), 1 for each class of an image and 0 for others"
    )
    fits = isinstance(labels, Tensor) and labels.shape == (count, num_classes)
    if not isinstance(labels, Tensor) or not fits or not labels.is_floating_point():
        remedy = " Take labels.float()." if fits else ""
        if isinstance(labels, Tensor) and labels.shape == (count,):
            remedy = " One class per image is the task Classification."
        raise DataError(f"batch['label'] is {shown_tensor(labels)}; {expected}.{remedy}")
    if not bool(((labels >= 0) & (labels <= 1)).all()):  # NaN is neither
        raise DataError(f"batch['label'] is {shown_tensor(labels)}; {expected}.")


def check_masks(
    masks: object, *, count: int, num_classes: int, ignored: int, size: tuple[int, int] | None
) -> None:
    """Check the classes of the pixels of a batch.

    Args:
        masks: int64 `(B, h, w)`, class index or `ignored`.
        count: Number of images, B.
        num_classes: Number of classes.
        ignored: Label of pixels that do not count.
        size: Height and width that they need; None for any.

    Raises:
        DataError: They are of another kind, or out of range.
    """
    sides = "h, w" if size is None else f"{size[0]}, {size[1]}"
    expected = (
        f"expected class indices, int64 ({count}, {sides}), from 0 to {num_classes - 1}, or "
        f"{ignored} for pixels that are ignored"
    )
    name = "batch['mask']"
    if not isinstance(masks, Tensor):
        raise DataError(f"{name} is a {type(masks).__name__}; {expected}.")
    fits = masks.ndim == 3 and len(masks) == count
    if not fits or (size is not None and tuple(masks.shape[1:]) != size):
        plane = masks.ndim == 4 and masks.shape[1] == 1
        remedy = " Take masks.squeeze(1)." if plane else ""
        raise DataError(f"{name} is {shown_tensor(masks)}; {expected}.{remedy}")
    counted = masks[masks != ignored]
    _check_indices(masks, name, num_classes=num_classes, expected=expected, counted=counted)


def check_sizes(sizes: object, images: Tensor, *, key: str = "size") -> None:
    """Check the height and width of each image, int64 `(B, 2)`.

    Args:
        sizes: The sizes.
        images: The images of the batch, which `size` lies in.
        key: Their key; `original_size` may be larger than the images.

    Raises:
        DataError: They are of another kind, or larger than the images.
    """
    count = len(images)
    if (
        not isinstance(sizes, Tensor)
        or sizes.shape != (count, 2)
        or sizes.is_floating_point()
        or bool((sizes < 1).any())
    ):
        raise DataError(
            f"batch['{key}'] is {shown_tensor(sizes)}; expected int64 ({count}, 2), height and "
            "width of each image in pixels."
        )
    limit = sizes.new_tensor(images.shape[2:])
    if key == "size" and bool((sizes > limit).any()):
        raise DataError(
            f"batch['size'] has {sizes.max(dim=0).values.tolist()} (height, width), but "
            f"batch['image'] is {shown_tensor(images)}: the valid part of an image lies in it."
        )


def check_evaluated(batch: Any, images: Tensor) -> None:
    """Check what the evaluation and the prediction of pixels need: size and path of each image.

    Args:
        batch: The batch.
        images: Its images.

    Raises:
        DataError: One is absent or of another kind.
    """
    require_keys(batch, ["image", "size", "original_size", "path"])
    check_sizes(batch["size"], images)
    check_sizes(batch["original_size"], images, key="original_size")


def check_targets(
    targets: object, sizes: Tensor, *, num_classes: int, masks: tuple[int, int] | None
) -> None:
    """Check the objects of each image of a batch.

    Args:
        targets: One dict per image, as `vision.contracts.detection.DetectionTarget`.
        sizes: Height and width of each image in pixels, int64 `(B, 2)`.
        num_classes: Number of classes.
        masks: Height and width of the masks that are needed; None without masks.

    Raises:
        DataError: One has another form, or a value out of range.
    """
    if not isinstance(targets, Sequence) or len(targets) != len(sizes):
        raise DataError(
            f"batch['target'] is {shown_tensor(targets)}; expected a list of {len(sizes)} dicts, "
            "one per image."
        )
    for place, (target, size) in enumerate(zip(targets, sizes.tolist(), strict=True)):
        name = f"batch['target'][{place}]"
        keys = ["boxes", "labels", "iscrowd", *(["masks"] if masks else [])]
        require_keys(target, keys, where=name)
        _check_boxes(target["boxes"], f"{name}['boxes']", size)
        count = len(target["boxes"])
        _check_objects(target, name, count=count, num_classes=num_classes, masks=masks)
    _check_no_shares(targets, sizes)


def shown_tensor(value: object) -> str:
    """Type, shape and range of a tensor; of anything else its type."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    text = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if not value.numel() or value.is_complex():
        return text
    if value.is_floating_point() and not bool(value.isfinite().all()):
        return f"{text} with NaN or infinite values"
    low, high = _range(value)
    return f"{text} with values from {low:g} to {high:g}"


def _range(values: Tensor) -> tuple[float, float]:
    low, high = values.detach().float().aminmax()
    return float(low), float(high)


def _is_soft(labels: Tensor) -> bool:
    values = labels.float()
    sums = values.sum(dim=1)
    return bool((values >= 0).all() and ((sums - 1).abs() <= TOLERANCE).all())


def _check_indices(
    labels: Tensor,
    name: str,
    *,
    num_classes: int,
    expected: str,
    counted: Tensor | None = None,
) -> None:
    """Check the type and the range of class indices; `counted` are those that are not ignored."""
    if labels.dtype != torch.int64:
        raise DataError(f"{name} is {shown_tensor(labels)}; {expected}. Take labels.long().")
    values = labels if counted is None else counted
    if not values.numel():
        return
    low, high = (int(value) for value in values.aminmax())
    if low >= 0 and high < num_classes:
        return
    from_one = low >= 1 and high == num_classes
    remedy = (
        "They seem to be numbered from 1 (torchvision's detectors count the background as 0): "
        "subtract 1."
        if from_one
        else "Give num_classes, or the data's class names, as many as there are classes."
    )
    raise DataError(f"{name} has the class {high if high >= num_classes else low}; {expected}. "
                    f"{remedy}")  # fmt: skip


def _check_boxes(boxes: object, name: str, size: Sequence[int]) -> None:
    height, width = size
    expected = (
        f"expected float32 (M, 4), corners (x1, y1, x2, y2) in pixels of the image of {height} x "
        f"{width} (height x width)"
    )
    if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[1] != 4:
        empty = isinstance(boxes, Tensor) and not boxes.numel()
        remedy = " Without objects: torch.zeros(0, 4)." if empty else ""
        raise DataError(f"{name} is {shown_tensor(boxes)}; {expected}.{remedy}")
    if not boxes.is_floating_point() or not bool(boxes.isfinite().all()):
        raise DataError(f"{name} is {shown_tensor(boxes)}; {expected}.")
    turned = (boxes[:, 2:] < boxes[:, :2]).any(dim=1)
    if bool(turned.any()):
        raise DataError(
            f"{name} has {_rounded(boxes[turned][0])}; {expected}. If they are (x, y, width, "
            "height): torchvision.ops.box_convert(boxes, 'xywh', 'xyxy')."
        )
    limit = boxes.new_tensor([width, height, width, height])
    outside = ((boxes < -EDGE) | (boxes > limit + EDGE)).any(dim=1)
    if bool(outside.any()):
        raise DataError(
            f"{name} has {_rounded(boxes[outside][0])}, which leaves the image; {expected}. "
            "Resize boxes together with the image, and clip them to it."
        )


def _check_objects(
    target: Mapping[str, Any],
    name: str,
    *,
    count: int,
    num_classes: int,
    masks: tuple[int, int] | None,
) -> None:
    """Check what belongs to the boxes of an image."""
    labels, crowd = target["labels"], target["iscrowd"]
    expected = f"expected class indices, int64 ({count},), from 0 to {num_classes - 1}"
    if not isinstance(labels, Tensor) or labels.shape != (count,):
        raise DataError(f"{name}['labels'] is {shown_tensor(labels)}; {expected}, one per box.")
    _check_indices(labels, f"{name}['labels']", num_classes=num_classes, expected=expected)
    wanted: Iterable[tuple[str, Any, tuple[int, ...]]] = [("iscrowd", crowd, (count,))]
    if masks is not None:
        wanted = [*wanted, ("masks", target["masks"], (count, *masks))]
    for key, value, shape in wanted:
        if not isinstance(value, Tensor) or value.shape != shape or value.dtype != torch.bool:
            remedy = ".bool()" if isinstance(value, Tensor) and value.shape == shape else ""
            raise DataError(
                f"{name}['{key}'] is {shown_tensor(value)}; expected bool {shape}, one per box."
                + (f" Take {key}{remedy}." if remedy else "")
            )


def _check_no_shares(targets: Sequence[Mapping[str, Any]], sizes: Tensor) -> None:
    """Raise an error if all boxes lie within the first pixel: they are shares of the image."""
    boxes = torch.cat([target["boxes"] for target in targets])
    if len(boxes) and float(boxes.max()) <= 1 and int(sizes.min()) > 1:
        raise DataError(
            f"the boxes of batch['target'] are {shown_tensor(boxes)}: they look like shares of the "
            "image; expected pixels. Multiply them by (width, height, width, height)."
        )


def _rounded(box: Tensor) -> list[float]:
    return [round(value, 2) for value in box.tolist()]
