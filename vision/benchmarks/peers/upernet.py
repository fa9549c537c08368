"""UPerNet of mmsegmentation and of transformers, with our weights."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone
from vision.contracts.segmentation import IGNORED, SegmentationBatch
from vision.errors import ConfigError
from vision.ops.interpolation import resize_bilinear
from vision.tasks.segmentation import Segmentation
from vision.weights.names.write import to_naming

CHANNELS, AUXILIARY_CHANNELS, AUXILIARY_WEIGHT = 512, 256, 0.4
POOL_SCALES = (1, 2, 3, 6)
HEADS = ("decode_head", "auxiliary_head")
Batch = Mapping[str, Tensor]


class Segmentor(nn.Module):
    """One side of a comparison."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, K, H, W)` of normalised images `(B, 3, H, W)`."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The loss `()` of a training step."""

    def classes(self, batch: Batch) -> Tensor:
        """The class of each pixel `(B, H, W)`."""
        return self(batch["image"]).argmax(dim=1)


class Ours(Segmentor):
    """The task's parts as its training step and its evaluation use them.

    Args:
        task: A UPerNet.
    """

    def __init__(self, task: Segmentation) -> None:
        super().__init__()
        self.task = task
        # Nothing is logged where there is no trainer.
        task.log_losses = _sum  # type: ignore[method-assign,assignment]

    def forward(self, images: Tensor) -> Tensor:
        """See `Segmentor`."""
        task = self.task
        logits = task.head(task.neck(task.backbone(images)))["logits"]
        return resize_bilinear(logits, (images.shape[2], images.shape[3]))

    def loss(self, batch: Batch) -> Tensor:
        """See `Segmentor`."""
        return self.task.training_step(cast(SegmentationBatch, batch), 0)

    def classes(self, batch: Batch) -> Tensor:
        """See `Segmentor`."""
        found = self.task.run(cast(SegmentationBatch, batch))
        return torch.stack([one["mask"] for one in found])


class MmsegPeer(Segmentor):
    """mmsegmentation's heads and losses on our backbone.

    Args:
        task: A UPerNet without dropout, whose weights it gets.
    """

    # Of the cross entropy, as mmsegmentation has it.
    mean_over = "all"

    def __init__(self, task: Segmentation) -> None:
        super().__init__()
        from vision.mmcv.operators import import_models

        heads = import_models("mmseg").decode_heads
        self.backbone = task.backbone
        widths = [spec.channels for spec in task.backbone.feature_specs]
        shared: dict[str, Any] = {
            "num_classes": task.num_classes,
            "norm_cfg": {"type": "BN"},
            "align_corners": False,
            "dropout_ratio": 0.0,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about averaging over ignored pixels
            self.decode_head = heads.UPerHead(
                in_channels=widths,
                in_index=[0, 1, 2, 3],
                pool_scales=POOL_SCALES,
                channels=CHANNELS,
                **shared,
            )
            self.auxiliary_head = heads.FCNHead(
                in_channels=widths[2],
                in_index=2,
                channels=AUXILIARY_CHANNELS,
                num_convs=1,
                concat_input=False,
                loss_decode={"type": "CrossEntropyLoss", "loss_weight": AUXILIARY_WEIGHT},
                **shared,
            )
        state = to_naming(task, "mmseg")
        for name in HEADS:
            self.get_submodule(name).load_state_dict(_below(state, name))

    def forward(self, images: Tensor) -> Tensor:
        """See `Segmentor`."""
        return _enlarge(self.decode_head(self.backbone(images)), images)

    def loss(self, batch: Batch) -> Tensor:
        """See `Segmentor`; without the accuracy that mmsegmentation computes beside the loss."""
        maps = self.backbone(batch["image"])
        terms = []
        for head in (self.decode_head, self.auxiliary_head):
            logits = _enlarge(head(maps), batch["image"])
            terms.append(head.loss_decode(logits, batch["mask"], ignore_index=IGNORED))
        return torch.stack(terms).sum()


class TransformersPeer(Segmentor):
    """UPerNet of transformers, its Swin or ConvNeXt included.

    Args:
        task: A UPerNet on such a backbone, whose weights it gets.
        size: Side of the images in pixels.

    Raises:
        ConfigError: transformers has no such backbone.
    """

    mean_over = "valid"

    def __init__(self, task: Segmentation, size: int) -> None:
        super().__init__()
        from transformers import UperNetConfig, UperNetForSemanticSegmentation

        from vision.benchmarks.peers.transformers import CONFIGS, fill

        backbone: Backbone = task.backbone
        if backbone.family not in CONFIGS:
            raise ConfigError(
                f"transformers' UPerNet has no backbone '{backbone.family}' for the weights of "
                f"ours; there are {' and '.join(CONFIGS)}. Take --against mmsegmentation."
            )
        stages = [f"stage{i + 1}" for i in range(len(backbone.feature_specs))]
        # Fields of every configuration, which the class does not name.
        shared: dict[str, Any] = {"num_labels": task.num_classes}
        config = UperNetConfig(
            backbone_config=CONFIGS[backbone.family](backbone, (size, size), out_features=stages),
            hidden_size=CHANNELS,
            pool_scales=POOL_SCALES,
            auxiliary_loss_weight=AUXILIARY_WEIGHT,
            auxiliary_channels=AUXILIARY_CHANNELS,
            loss_ignore_index=IGNORED,
            **shared,
        )
        self.model = UperNetForSemanticSegmentation(config)
        self.model.backbone = fill(self.model.backbone, to_naming(backbone, "huggingface"))
        state = {
            key.replace(".bn.", ".batch_norm.").replace("conv_seg.", "classifier."): tensor
            for key, tensor in to_naming(task, "mmseg").items()
        }
        for name in HEADS:
            self.model.get_submodule(name).load_state_dict(_below(state, name))

    def forward(self, images: Tensor) -> Tensor:
        """See `Segmentor`."""
        logits: Tensor = self.model(images).logits
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """See `Segmentor`."""
        loss: Tensor = self.model(batch["image"], labels=batch["mask"]).loss
        return loss


SOURCES = ("mmsegmentation", "transformers")


def build_sides(name: str, source: str, *, classes: int, size: int) -> tuple[Ours, Segmentor]:
    """Both sides with the same weights; nothing is dropped at random on either.

    Args:
        name: Name of the backbone.
        source: One of `SOURCES`.
        classes: Number of classes.
        size: Side of the images in pixels.

    Raises:
        ConfigError: The source has no such backbone.
    """
    peer = TransformersPeer if source == "transformers" else MmsegPeer
    task = Segmentation(
        name,
        classes,
        backbone_options={"drop_path_rate": 0.0},
        head_options={"dropout": 0.0, "channels": CHANNELS},
        auxiliary_options={"dropout": 0.0, "channels": AUXILIARY_CHANNELS},
        loss_options={"mean_over": peer.mean_over},
        boundary=False,
    )
    theirs = TransformersPeer(task, size) if source == "transformers" else MmsegPeer(task)
    return Ours(task), theirs


def _below(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}


def _enlarge(logits: Tensor, images: Tensor) -> Tensor:
    return F.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def _sum(stage: str, terms: Mapping[str, Tensor], count: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()
