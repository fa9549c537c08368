"""The detectors of boxes in space by name: what they read, and their parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from vision.backbones.flatformer import FlatFormer
from vision.backbones.registry import check_input
from vision.errors import ConfigError
from vision.heads.detection3d.center import CenterHead
from vision.heads.detection3d.monodetr import STRIDES, MonoDETRHead
from vision.heads.detection3d.pillars import PillarEncoder
from vision.losses.center import CenterLoss, CenterLossOptions
from vision.losses.monodetr import MonoDETRLoss, MonoDETRLossOptions
from vision.necks.birds_eye import BirdsEye
from vision.tasks.build import build_normalize
from vision.tasks.decoders import Decoder, build_parts
from vision.tasks.image import require_image_backbone
from vision.tasks.parts import build_part
from vision.tasks.scene_inputs.base import SceneInput
from vision.tasks.scene_inputs.images import ImageScenes
from vision.tasks.scene_inputs.points import LidarScenes


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


CENTERPOINT: dict[str, Callable[..., Any]] = {
    "reader_options": PillarEncoder,
    "neck_options": BirdsEye,
    "head_options": CenterHead,
    "loss_options": CenterLossOptions,
}


def build_centerpoint(backbone: nn.Module, options: Detector3DOptions) -> dict[str, nn.Module]:
    """Build reader, neck, head and criterion, which share the reader's grid.

    Raises:
        ConfigError: The backbone does not encode pillars, the grid is given to another part than
            the reader, there are options of images, or as for `build_part`.
    """
    if not isinstance(backbone, FlatFormer):
        raise ConfigError(
            f"detector='centerpoint' reads pillars, which a {type(backbone).__name__} does not "
            "encode: choose flatformer_128, or a FlatFormer of your own."
        )
    if options.mean is not None or options.std is not None:
        raise ConfigError(
            "mean and std are for images, and detector='centerpoint' reads points: leave them out."
        )
    if "grid" in options.head:
        raise ConfigError(
            "head_options.grid is that of the reader: set reader_options.grid, which both use."
        )
    width = backbone.feature_specs[-1].channels
    own = {"channels": (width // 2, width)}
    reader = build_part(PillarEncoder, None, "reader_options", own, options.reader)
    _check_pillars(reader, backbone)
    specs = backbone.feature_specs
    neck = build_part(BirdsEye, specs, "neck_options", {}, options.neck)
    given = {**options.head, "num_classes": options.num_classes}
    head = build_part(CenterHead, neck.feature_specs, "head_options", {"grid": reader.grid}, given)
    loss = build_part(CenterLossOptions, None, "loss_options", {}, options.loss)
    criterion = CenterLoss(grid=head.map_grid, options=loss)
    return {"reader": reader, "neck": neck, "head": head, "criterion": criterion}


def _check_pillars(reader: PillarEncoder, backbone: FlatFormer) -> None:
    """Raise a `ConfigError` for a reader that does not fit the backbone."""
    found, width = reader.feature_specs[-1].channels, backbone.in_channels
    if found != width:
        raise ConfigError(
            f"reader_options.channels end in {found}, and the backbone accepts pillars of {width} "
            f"channels: let them end in {width}, or set backbone_options.dim."
        )
    rows, columns = reader.grid.size
    if backbone.normalize_pos and backbone.sparse_shape[:2] != (columns, rows):
        raise ConfigError(
            f"backbone_options.sparse_shape is {[*backbone.sparse_shape]}, and reader_options.grid "
            f"has {columns} x {rows} cells along x and y: with normalize_pos they have to agree."
        )


DETECTORS3D: dict[str, Detector3D] = {
    "monodetr": Detector3D(scene=ImageScenes, build=build_monodetr, builders=MONODETR.builders),
    "centerpoint": Detector3D(scene=LidarScenes, build=build_centerpoint, builders=CENTERPOINT),
}
