"""Any decode head of mmsegmentation as a head of ours, with its own loss.

mmsegmentation 1.2.2 (https://github.com/open-mmlab/mmsegmentation, Apache-2.0) runs with mmcv-lite:
nothing is compiled. The extra `mmseg` installs it.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.segmentation import SegmentationBatch, SegmentationOutputs
from vision.errors import ConfigError, MissingPackageError, suggest
from vision.extras import install_line
from vision.heads.segmentation.base import SegmentationHead, check_specs
from vision.heads.segmentation.mmseg_configs import (
    MASK_HEADS,
    check_types,
    complete_config,
    output_stride,
)
from vision.heads.segmentation.mmseg_words import HEADS, inference_config
from vision.mmcv.operators import EXTRA, import_models

# The usual auxiliary head: 0.4 of the loss is what all published configs give it.
AUXILIARY = {"type": "FCNHead", "in_index": 2, "channels": 256, "num_convs": 1}
AUXILIARY |= {
    "concat_input": False,
    "loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.4},
}
# The coarse segmentation that heads in a cascade start from, of OCRNet.
PREVIOUS = {"type": "FCNHead", "num_convs": 1, "concat_input": False}
PREVIOUS |= {"loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.4}}
# Heads for the networks that they were published with, and no others.
REFUSED = {
    "DDRHead": "needs the two branches of DDRNet",
    "PIDHead": "needs the three branches of PIDNet",
    "DPTHead": "needs maps and class tokens of a plain transformer",
    "SETRMLAHead": "needs maps of one size, of its own neck",
    "VPDDepthHead": "estimates depth",
}
# Names under which heads keep their last layers.
CLASSIFIERS = ("conv_seg", "cls_embed")
# Warnings about mmsegmentation's own code, which the user cannot change.
KNOWN_WARNINGS = (
    "``build_loss`` would be",
    "Default ``avg_non_ignore``",
    "For binary segmentation",
)


class MMSegHead(SegmentationHead):
    """A decode head of mmsegmentation.

    Missing options of its config are filled in: `in_channels`, `in_index`, `input_transform`,
    `num_classes` and strides from the maps, `channels` and other options without a default as in
    the published configs, `norm_cfg` as batch norm. The names are mmsegmentation's:
    `MMSegHead(specs, num_classes=150, type="PSPHead", pool_scales=(1, 2, 3, 6))`.

    Heads whose loss needs more than logits and masks, such as `PointHead`, raise `ConfigError`.
    Instead of logits, Mask2Former and MaskFormer give the sum over their queries of class
    probability times mask probability, at the resolution of the image, as in mmsegmentation.

    Args:
        specs: Channels and stride of each map, finest first.
        num_classes: Number K of classes, at most 255.
        type: Name of the head in mmsegmentation.
        previous: Config of the head that comes before a cascaded one, such as `OCRHead`; an
            FCN head on the same map by default.
        auxiliary: Config of a second head that helps training; `True` for the usual FCN head on the
            map of stride 16 with 0.4 of the loss. Not run in evaluation.
        losses: Whether the head can be trained. False for a head from a model file: its losses are
            then mmsegmentation's defaults, and `MMSegLoss` refuses it.
        config: The other options of the head, `loss_decode` among them.

    Attributes:
        head: The head of mmsegmentation.
        previous: The head before it, or None.
        auxiliary: The second head, or None.

    Raises:
        ConfigError: There is no such head or option, or a value is refused.
        MissingPackageError: mmsegmentation, or mmdetection for `Mask2FormerHead`, is not installed.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        type: str,
        previous: Mapping[str, Any] | None = None,
        auxiliary: Mapping[str, Any] | bool | None = None,
        losses: bool = True,
        **config: Any,
    ) -> None:
        check_specs(specs, "MMSegHead")
        head = find_head(type)
        if "kernel_generate_head" in config:  # of K-Net, the head that takes the maps
            first = dict(config["kernel_generate_head"])
            inner = find_head(first.pop("type", "FCNHead"))
            filled = complete_config(inner, specs, num_classes=num_classes, config=first)
            config["kernel_generate_head"] = {"type": inner.__name__, **filled}
        config = complete_config(head, specs, num_classes=num_classes, config=config)
        stride = output_stride(type, specs, config)
        corners = bool(config.get("align_corners", False))
        super().__init__(num_classes=num_classes, stride=stride, align_corners=corners)
        self.previous: nn.Module | None = None
        self.auxiliary: nn.Module | None = None
        self.finest_stride = specs[0].stride
        self.has_losses = losses
        self._configs: dict[str, dict[str, Any]] = {}
        if _is_cascaded(head):
            default = {"in_index": config["in_index"], **PREVIOUS}
            self.previous = self._beside("previous", default, previous, specs)
        elif previous is not None:
            raise ConfigError(
                f"previous={dict(previous)}: the head {type} does not follow on another one. "
                "Leave it out; a second head that helps training is `auxiliary`."
            )
        if auxiliary:
            given = auxiliary if isinstance(auxiliary, Mapping) else None
            self.auxiliary = self._beside("auxiliary", AUXILIARY, given, specs)
        self._configs["head"] = {**config, "type": type}
        self.head = _build(self._configs["head"])

    @staticmethod
    def options_of_file(options: Any, group: str) -> dict[str, Any]:
        """Keywords that build a head as a model file describes it, without losses.

        Args:
            options: The options in the file, plain values.
            group: Name of the group of options, for errors.

        Raises:
            ConfigError: The type of the head is unknown, or an option is not known to be safe.
        """
        if not isinstance(options, Mapping) or options.get("type") not in HEADS:
            name = str(options.get("type") if isinstance(options, Mapping) else options)[:80]
            raise ConfigError(
                f"{group}.type={name!r} is not one of mmsegmentation's heads.{suggest(name, HEADS)}"
            )
        return {**inference_config(options, group), "losses": False}

    def _beside(
        self,
        part: str,
        default: Mapping[str, Any],
        given: Mapping[str, Any] | None,
        specs: Sequence[FeatureSpec],
    ) -> nn.Module:
        """Build another head; if its type is not the default's, without the default's options."""
        options = dict(given or {})
        name = options.pop("type", default["type"])
        if name == default["type"]:
            options = {**{k: v for k, v in default.items() if k != "type"}, **options}
        options.setdefault("align_corners", self.align_corners)
        head = find_head(name)
        if _is_cascaded(head) or name in MASK_HEADS:
            raise ConfigError(f"{name} cannot stand beside another head; FCNHead can.")
        filled = complete_config(head, specs, num_classes=self.num_classes, config=options)
        self._configs[part] = {**filled, "type": name}
        return _build(self._configs[part])

    def forward(self, features: Sequence[Tensor]) -> SegmentationOutputs:
        """Give each cell the logits of the classes.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            Logits `(B, K, h, w)` at the stride of the head; in training also what `MMSegLoss`
            reads, under `parts`: the outputs of each head by name.
        """
        maps = list(features)
        parts: dict[str, Any] = {}
        if self.training and self.auxiliary is not None:
            parts["auxiliary"] = self.auxiliary(maps)
        if type(self.head).__name__ in MASK_HEADS:
            parts["head"] = self.head(maps, _samples(self._image_sizes(maps)))
            logits = self._merge_queries(*parts["head"])
        elif self.previous is not None:
            parts["previous"] = self.previous(maps)
            parts["head"] = self.head(maps, _logits_of(parts["previous"]))
            logits = _logits_of(parts["head"])
        else:
            parts["head"] = self.head(maps)
            logits = _logits_of(parts["head"])
        outputs: dict[str, Any] = {"logits": logits}
        if self.training:
            outputs["parts"] = parts
        return cast(SegmentationOutputs, outputs)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as mmsegmentation does."""
        # Not all of its layers can be initialised again: some draw when they are built.
        for part, config in self._configs.items():
            getattr(self, part).load_state_dict(_build(config).state_dict())

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layers have one row per class; for queries, the last row is the background."""
        rows = {}
        for name, parameter in self.named_parameters():
            layer = name.rpartition(".")[0].rpartition(".")[2]
            if not layer.endswith(CLASSIFIERS):
                continue
            background = len(parameter) == self.num_classes + 1
            rows[name] = ClassRows(groups=1, per_class=1, background=background)
        return rows

    def losses(self, outputs: SegmentationOutputs, mask: Tensor) -> dict[str, Tensor]:
        """Loss terms of all heads, each weighted as its config says.

        Args:
            outputs: What the head returned in training.
            mask: int64 `(B, H, W)` class index, 255 where there is none.

        Returns:
            The terms by name; terms of the other heads begin with `previous_` or `auxiliary_`.
        """
        assert "parts" in outputs, "outputs of a head in evaluation have no loss"
        parts = cast(dict[str, Any], outputs)["parts"]
        samples = _samples([tuple(mask.shape[-2:])] * len(mask), mask)
        terms: dict[str, Tensor] = {}
        for name, raw in parts.items():
            head: Any = getattr(self, name)
            raw = _to_float32(raw)
            if type(head).__name__ in MASK_HEADS:
                losses = head.loss_by_feat(*raw, *head._seg_data_to_instance_data(samples))
            else:
                losses = head.loss_by_feat(raw, samples)
            prefix = "" if name == "head" else f"{name}_"
            for key, value in losses.items():
                # The accuracy is no loss and only logged, as in mmengine.
                if "loss" in key:
                    values = value if isinstance(value, list | tuple) else [value]
                    terms[prefix + key] = torch.stack([v.mean() for v in values]).sum()
        return terms

    def _image_sizes(self, maps: Sequence[Tensor]) -> list[tuple[int, int]]:
        height, width = (side * self.finest_stride for side in maps[0].shape[-2:])
        return [(height, width)] * len(maps[0])

    def _merge_queries(self, classes: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Semantic scores `(B, K, H, W)` of the last layer's queries."""
        # In training only their loss counts: at the size of the masks, without a graph.
        scale = 1 if self.training else self.finest_stride
        learning = torch.is_grad_enabled() and not self.training
        off = torch.autocast(masks[-1].device.type, enabled=False)
        with off, torch.set_grad_enabled(learning):
            share = classes[-1].float().softmax(dim=-1)[..., :-1]  # (B, Q, K)
            merged = []
            # Image by image: all masks of a batch at full size are a lot of memory.
            for mask, image in zip(masks[-1].float().split(1), share, strict=True):
                size = tuple(scale * side for side in mask.shape[-2:])
                if scale > 1:
                    mask = F.interpolate(mask, size=size, mode="bilinear", align_corners=False)
                merged.append(torch.einsum("qk,qhw->khw", image, mask[0].sigmoid()))
            return torch.stack(merged)


class MMSegLoss(nn.Module):
    """The loss of a head of mmsegmentation, from its own `loss_decode`.

    Args:
        head: The head. It is not registered again: its parameters belong to the task's head.
    """

    def __init__(self, head: MMSegHead) -> None:
        super().__init__()
        self._head = (head,)

    def forward(self, outputs: SegmentationOutputs, batch: SegmentationBatch) -> dict[str, Tensor]:
        """Weighted terms, in float32.

        Args:
            outputs: What the head returned in training.
            batch: Has `mask`, int64 `(B, H, W)` class index, 255 where there is none.

        Returns:
            The terms by their name in mmsegmentation, such as `loss_ce`.

        Raises:
            ConfigError: The head was built without losses, or there are logits of an auxiliary head
                from outside mmsegmentation.
        """
        if not self._head[0].has_losses:
            raise ConfigError(
                "this head of mmsegmentation was built from a model file, without its losses. "
                "To train it, build the task from the config of its run, with weights=PATH."
            )
        if "auxiliary" in outputs:
            raise ConfigError(
                "a head of mmsegmentation has auxiliary heads of its own: set auxiliary to false "
                "for the task, and head_options.auxiliary to true or to the config of a head."
            )
        mask = batch["mask"]
        with torch.autocast(mask.device.type, enabled=False):
            return self._head[0].losses(outputs, mask)


def find_head(name: str) -> type[nn.Module]:
    """Class of a decode head of mmsegmentation.

    Raises:
        ConfigError: There is none, or it cannot be a head of ours.
        MissingPackageError: mmsegmentation, or mmdetection for Mask2Former, is not installed.
    """
    import_models("mmseg")
    from mmseg.registry import MODELS

    names = {
        key: value
        for key, value in MODELS.module_dict.items()
        if isinstance(value, type) and (issubclass(value, _base_head()) or key in MASK_HEADS)
    }
    head = names.get(name)
    if head is None:
        raise ConfigError(
            f"mmsegmentation has no decode head {name!r}.{suggest(name, names)} Its heads are "
            f"{', '.join(sorted(names))}."
        )
    if name in MASK_HEADS:
        _check_mmdet(name)
    elif name in REFUSED or _computes_loss(head):
        reason = REFUSED.get(name, "needs more for its loss than its logits and the masks")
        raise ConfigError(
            f"the head {name} of mmsegmentation {reason}. It runs only in mmsegmentation's own "
            "segmentors."
        )
    return head


def _base_head() -> type[nn.Module]:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead

    return BaseDecodeHead


def _is_cascaded(head: type) -> bool:
    from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead

    return issubclass(head, BaseCascadeDecodeHead)


def _computes_loss(head: type) -> bool:
    from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead

    return cast(Any, head).loss not in (cast(Any, _base_head()).loss, BaseCascadeDecodeHead.loss)


def _check_mmdet(name: str) -> None:
    try:
        import_models("mmdet")
    except MissingPackageError as error:
        raise MissingPackageError(
            f"{name} is built on mmdetection. {error} {install_line(EXTRA)}"
        ) from error


def _build(config: Mapping[str, Any]) -> nn.Module:
    """Build and initialise what a whole config describes."""
    from mmengine import ConfigDict
    from mmseg.registry import MODELS

    name = config["type"]
    check_types(config, name)
    with warnings.catch_warnings():
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        try:
            # The scope looks names up in mmsegmentation, regardless of what ran before.
            head = MODELS.build(ConfigDict({**config, "_scope_": "mmseg"}))
        except (TypeError, ValueError, AssertionError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"mmsegmentation cannot build {name}: {error}. Its options were "
                f"{', '.join(key for key in config if key != 'type')}."
            ) from error
    _initialise(head)
    return head


def _initialise(head: nn.Module) -> None:
    """Run mmengine's initialisation, which prints each parameter unless it gets a record."""
    record = {p: {"init_info": "", "tmp_mean_value": None} for p in head.parameters()}
    if any(parameter.is_meta for parameter in record):
        return
    parts: list[Any] = list(head.modules())
    for part in parts:
        part._params_init_info = record
        if hasattr(part, "_is_init"):
            part._is_init = False
    cast(Any, head).init_weights()
    for part in parts:
        del part._params_init_info


def _samples(sizes: Sequence[tuple[int, ...]], mask: Tensor | None = None) -> list[Any]:
    """Data samples of mmsegmentation: the size of each image, and the classes of its pixels."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    samples = []
    for i, size in enumerate(sizes):
        sample = SegDataSample()
        sample.set_metainfo({"img_shape": size, "pad_shape": size, "batch_input_shape": size})
        if mask is not None:
            sample.gt_sem_seg = PixelData(data=mask[i][None])
        samples.append(sample)
    return samples


def _logits_of(raw: Any) -> Tensor:
    """The final logits: the first of a tuple, the last of a list of stages."""
    if isinstance(raw, tuple):
        return raw[0]
    return raw[-1] if isinstance(raw, list) else raw


def _to_float32(raw: Any) -> Any:
    if isinstance(raw, list | tuple):
        return type(raw)(_to_float32(value) for value in raw)
    return raw.float() if isinstance(raw, Tensor) and raw.is_floating_point() else raw
