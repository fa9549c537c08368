"""The detectors of boxes in space by name: what they read, and their parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from vision.backbones.registry import check_input
from vision.errors import ConfigError
from vision.heads.detection3d.monodetr import STRIDES, MonoDETRHead
from vision.losses.monodetr import MonoDETRLoss, MonoDETRLossOptions
from vision.tasks.build import build_normalize
from vision.tasks.decoders import Decoder, build_parts
from vision.tasks.image import require_image_backbone
from vision.tasks.scene_inputs.base import SceneInput
from vision.tasks.scene_inputs.images import ImageScenes


@dataclass(frozen=True, kw_only=True)
class Detector3DOptions:
    """What a person gives to build the parts of a detector.

    Attributes:
        num_classes: Number of classes.
        reader: Options of what groups points, that replace the detector's.
        neck: The same for the neck.
        head: The same for the head.
        loss: The same for the criterion.
        mean: Mean of each channel of images; None uses the backbone's.
        std: Standard deviation of each channel of images; None uses the backbone's.
        channels_last: Whether images use the channels-last memory format.
    """

    num_classes: int
    reader: Mapping[str, Any]
    neck: Mapping[str, Any]
    head: Mapping[str, Any]
    loss: Mapping[str, Any]
    mean: list[float] | None
    std: list[float] | None
    channels_last: bool


@dataclass(frozen=True, kw_only=True)
class Detector3D:
    """A detector of boxes in space, as data.

    Attributes:
        scene: How it is fed, by what it reads.
        build: Makes its parts by name for a backbone, which come after that in the state dict.
        builders: The class or function that takes each group of options, by name of the group.
    """

    scene: type[SceneInput]
    build: Callable[[nn.Module, Detector3DOptions], dict[str, nn.Module]]
    builders: Mapping[str, Callable[..., Any]]

    def check_name(self, backbone: object, *, owner: str) -> None:
        """Refuse the name of a backbone that encodes something else.

        Raises:
            ConfigError: It does.
        """
        if isinstance(backbone, str):
            check_input(backbone, self.scene.reads, owner=owner)


MONODETR = Decoder(
    head=MonoDETRHead,
    criterion=MonoDETRLoss,
    loss=MonoDETRLossOptions,
    neck_options={"strides": STRIDES},
)


def build_monodetr(backbone: nn.Module, options: Detector3DOptions) -> dict[str, nn.Module]:
    """Build normalisation, neck, head and criterion, which has the head's bins of depth.

    Raises:
        ConfigError: The backbone does not encode images, the criterion is given bins of its own,
            there are options of points, or as for `build_parts`.
    """
    backbone = require_image_backbone(backbone, owner="detector='monodetr'")
    if options.reader:
        raise ConfigError(
            "reader_options are for points, and detector='monodetr' reads images: leave them out."
        )
    if "bins" in options.loss:
        raise ConfigError(
            "loss_options.bins are those of the head: set head_options.bins, which both use."
        )
    normalize = build_normalize(
        backbone, options.mean, options.std, channels_last=options.channels_last
    )
    parts = build_parts(
        MONODETR,
        backbone,
        num_classes=options.num_classes,
        neck_options=options.neck,
        head_options=options.head,
        loss_options=options.loss,
        shared=lambda head: {"bins": head.depth_predictor.bins},
    )
    return {"normalize": normalize, **parts._asdict()}


DETECTORS3D: dict[str, Detector3D] = {
    "monodetr": Detector3D(scene=ImageScenes, build=build_monodetr, builders=MONODETR.builders),
}
