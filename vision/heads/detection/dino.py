"""DINO: queries that begin with boxes of the encoder's cells, each for one object."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from vision.contracts.detection import Detections, DetectionTarget
from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.base import DetectionHead
from vision.heads.detection.dino_decoder import DecoderLayer, DINODecoder
from vision.heads.detection.dino_design import ENCODERS, DINODesign, EncoderName, build_encoder
from vision.heads.detection.query_heads import EPS, QueryHeads
from vision.heads.detection.query_masks import STRIDE, QueryMasks, masks_in_boxes
from vision.heads.detection.query_selection import QuerySelection, Selected
from vision.layers.input_projections import InputProjections
from vision.ops.boxes import clip_boxes
from vision.ops.denoising import DenoisingOptions, NoisedQueries, noised_queries
from vision.ops.flat_maps import FlatMaps, flatten_maps, padded_cells, split_maps
from vision.ops.query_classes import best_classes
from vision.ops.query_predictions import QueryOutputs, QueryPredictions
from vision.ops.references import inverse_sigmoid
from vision.ops.share_boxes import shares_to_boxes
from vision.options import (
    MAX_CLASSES,
    MAX_COUNT,
    PROBABILITY,
    check_number,
    check_ranges,
    read_options,
)

# Each map has half the cells of the one before along each axis: from stride 4 on, a cell of the
# last one spans more pixels than images have.
MAX_LEVELS = 16


class DINOHead(DetectionHead):
    """A transformer over the maps of any pyramid, whose queries each stand for one object.

    "DINO: DETR with Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al.,
    2022, https://arxiv.org/abs/2203.03605, as in the authors' PyTorch code
    (https://github.com/IDEA-Research/DINO); what of theirs has no effect is left out, see
    `vision/weights/names/dino.py`. Deviations: `design.exact_padding`; where an image has fewer
    cells than there are queries, as many queries as cells are used, where the authors' code fails;
    and the encoder may be that of "DETRs Beat YOLOs on Real-time Object Detection", Zhao et al.,
    2023, https://arxiv.org/abs/2304.08069.

    Args:
        specs: Channels and stride of each map, finest first; strides of 8 to 32 as published, or 4
            to 32. With `masks` the first is one of stride 4.
        num_classes: Number K of classes.
        num_queries: Number Q of queries, and so of objects that can be learnt in an image.
        num_levels: Number L of maps that queries read; those beyond the pyramid's are made of its
            last. Null for one more than the pyramid has, or with the hybrid encoder for as many.
        encoder: "deformable", or "hybrid" for real-time use.
        encoder_options: Options of `DeformableEncoderOptions` or `HybridEncoderOptions`.
        masks: Whether queries have masks too, as in "Mask DINO"; see `QueryMasks`.
        finest_for_masks: With `masks`, whether only they read the map of stride 4; false lets
            queries read it too, as some of the published configs do, at a higher cost.
        denoising: Options of `DenoisingOptions`, for training.
        score_threshold: Detections whose score is not above it are dropped.
        max_per_image: Number D of detections per image, pairs of a query and a class.
        design: Options of `DINODesign`: widths and depths.

    Raises:
        ConfigError: An option is out of its range, or does not fit the others or the pyramid.
    """

    suppresses = False

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        num_queries: int = 900,
        num_levels: int | None = None,
        encoder: EncoderName = "deformable",
        encoder_options: Mapping[str, Any] | None = None,
        masks: bool = False,
        finest_for_masks: bool = True,
        denoising: DenoisingOptions | Mapping[str, Any] | None = None,
        score_threshold: float = 0.0,
        max_per_image: int = 300,
        design: DINODesign | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_number("num_classes", num_classes, minimum=1, maximum=MAX_CLASSES)
        check_number("num_queries", num_queries, minimum=1, maximum=MAX_COUNT)
        if num_levels is not None:
            check_number("num_levels", num_levels, minimum=1, maximum=MAX_LEVELS)
        check_ranges({"score_threshold": score_threshold}, {"score_threshold": PROBABILITY})
        check_ranges({"encoder": encoder}, {"encoder": tuple(ENCODERS)})
        _check_count(max_per_image, num_queries, num_classes)
        # Place of the first map that queries read.
        self.first = int(masks and finest_for_masks)
        read = specs[self.first :]
        levels = len(read) + ENCODERS[encoder].coarser if num_levels is None else num_levels
        chosen = read_options(DINODesign, design or {}, group="design")
        self.denoising = read_options(DenoisingOptions, denoising or {}, group="denoising")
        self.num_classes, self.stride = num_classes, specs[0].stride
        self.exact_padding = chosen.exact_padding
        self.score_threshold, self.max_per_image = score_threshold, max_per_image
        self.has_masks, dim = masks, chosen.dim
        self.masks = _mask_branch(specs, dim) if masks else None
        self.projections = InputProjections(read, dim=dim, num_levels=levels, owner="DINOHead")
        self.encoder = build_encoder(
            encoder, encoder_options or {}, design=chosen, num_levels=levels
        )
        self.selection = QuerySelection(
            dim,
            num_classes=num_classes,
            num_queries=num_queries,
            share_classes=chosen.share_selected_classes,
            share_boxes=chosen.share_selected_boxes,
            learned_side=chosen.learned_side,
            exact_padding=chosen.exact_padding,
        )
        self.contents = nn.Embedding(num_queries, dim) if chosen.learned_contents else None
        # Contents of noised queries.
        self.labels = nn.Embedding(num_classes, dim)
        self.decoder = _build_decoder(chosen, levels)
        self.heads = QueryHeads(
            dim,
            num_classes=num_classes,
            depth=chosen.decoder_depth,
            share_classes=chosen.share_classes,
            share_boxes=chosen.share_boxes,
        )
        self._reset_tables()

    def forward(
        self,
        features: Sequence[Tensor],
        sizes: Tensor,
        targets: Sequence[DetectionTarget] | None = None,
    ) -> QueryOutputs | Detections:
        """Predict.

        Args:
            features: One map `(B, C, h, w)` per spec.
            sizes: int64 `(B, 2)` valid height and width of each image.
            targets: The objects of each image, in training; noised queries are made of them.

        Returns:
            With targets, what `DINOLoss` reads; without, detections in the valid images.
        """
        memory = self.encode(features, sizes)
        selected = self.selection(memory, self.heads)
        noised = None
        if targets is not None:
            noised = noised_queries(
                targets,
                sizes,
                self.denoising,
                num_classes=self.num_classes,
                num_queries=selected.boxes.shape[1],
            )
        layers = self.decode(memory, selected, noised)
        mask_features = self.mask_features(features[0], memory, sizes)
        if targets is None:
            return self.detect(layers[-1], sizes, mask_features)
        # Without noised queries their classes take no part.
        unused = torch.zeros((), device=sizes.device)
        if noised is None:
            unused = self.labels.weight.sum() * 0
        outputs: QueryOutputs = {
            "layers": layers,
            "selection": {"logits": selected.logits, "boxes": selected.boxes},
            "unused": unused,
        }
        if self.masks is not None and mask_features is not None:
            outputs["mask_features"] = mask_features
            outputs["selection"]["mask_codes"] = self.masks.codes(selected.cells)
        if noised is not None:
            count = noised.labels.shape[1]
            outputs["noised"] = noised
            outputs["denoising"] = [_part(layer, slice(None, count)) for layer in layers]
            outputs["layers"] = [_part(layer, slice(count, None)) for layer in layers]
        return outputs

    def encode(self, features: Sequence[Tensor], sizes: Tensor) -> FlatMaps:
        """Encode the maps of the pyramid.

        Args:
            features: One map `(B, C, h, w)` per spec.
            sizes: int64 `(B, 2)` valid height and width of each image.
        """
        padding_of = self._padding(features[0], sizes)
        maps = self.projections(features[self.first :], padding_of if self.exact_padding else None)
        padding = [padding_of((x.shape[-2], x.shape[-1])) for x in maps]
        return flatten_maps(self.encoder(maps, padding), padding)

    def mask_features(self, fine: Tensor, memory: FlatMaps, sizes: Tensor) -> Tensor | None:
        """Features of masks `(B, D, h, w)`, or None without masks.

        Args:
            fine: float `(B, C, h, w)`, the finest map of the pyramid.
            memory: Encoded cells.
            sizes: int64 `(B, 2)` valid height and width of each image.
        """
        if self.masks is None:
            return None
        padding = self._padding(fine, sizes)((fine.shape[-2], fine.shape[-1]))
        features: Tensor = self.masks(fine, split_maps(memory.cells, memory.sizes)[0], padding)
        return features

    def decode(
        self, memory: FlatMaps, selected: Selected, noised: NoisedQueries | None = None
    ) -> list[QueryPredictions]:
        """The predictions of each decoder layer, first to last; of noised queries first.

        Args:
            memory: Encoded cells.
            selected: The cells that queries begin with.
            noised: Noised objects, if there are any.
        """
        x, references = self.queries(selected, noised)
        blocked = None if noised is None else noised.blocked
        decoded = self.decoder(x, references, memory, self.heads, blocked)
        layers: list[QueryPredictions] = []
        for i, queries in enumerate(decoded.queries):
            layers.append(
                {
                    "logits": self.heads.logits(i, queries),
                    "boxes": self.heads.refine(i, queries, decoded.references[i]),
                }
            )
            if self.masks is not None:
                layers[-1]["mask_codes"] = self.masks.codes(queries)
        return layers

    def queries(
        self, selected: Selected, noised: NoisedQueries | None = None
    ) -> tuple[Tensor, Tensor]:
        """Contents `(B, N + Q, D)` and boxes `(B, N + Q, 4)` that queries begin with.

        Args:
            selected: The cells that Q queries begin with.
            noised: N noised objects of each image, if there are any.
        """
        references = selected.boxes.detach()
        if self.contents is None:
            x = selected.cells.detach()
        else:
            batch, count = references.shape[:2]
            x = self.contents.weight[:count].expand(batch, -1, -1).to(selected.cells.dtype)
        if noised is None:
            return x, references
        empty = noised.labels == self.num_classes
        contents = self.labels(noised.labels.masked_fill(empty, 0)).to(x.dtype)
        contents = contents.masked_fill(empty[..., None], 0)
        boxes = inverse_sigmoid(noised.boxes, eps=EPS).sigmoid()
        return torch.cat([contents, x], dim=1), torch.cat([boxes, references], dim=1)

    def detect(
        self, predictions: QueryPredictions, sizes: Tensor, mask_features: Tensor | None = None
    ) -> Detections:
        """The most probable pairs of a query and a class.

        Args:
            predictions: Of the last layer.
            sizes: int64 `(B, 2)` valid height and width of each image.
            mask_features: Of `mask_features`; the boxes of masks are clipped to the image.
        """
        best = best_classes(predictions["logits"], self.max_per_image)
        boxes = shares_to_boxes(best.take(predictions["boxes"]), sizes)
        valid = best.scores > self.score_threshold
        found: Detections = {
            "boxes": boxes * valid[..., None],
            "scores": best.scores * valid,
            "labels": best.labels * valid,
            "count": valid.sum(dim=1),
        }
        if mask_features is not None:
            found["boxes"] = clip_boxes(found["boxes"], sizes)
            codes = best.take(predictions["mask_codes"])
            masks = masks_in_boxes(mask_features, codes, found["boxes"], sizes)
            found["masks"] = masks * valid[..., None, None]
        return found

    def class_rows(self) -> dict[str, ClassRows]:
        """The layers of classes, and the table of the classes of noised queries."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        layers = [f"heads.classes.{i}" for i in range(len(self.heads.classes))]
        if self.selection.classes is not None:
            layers.append("selection.classes")
        linear = {f"{layer}.{part}": rows for layer in layers for part in ("weight", "bias")}
        return {**linear, "labels.weight": rows}

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        for part in (self.projections, self.encoder, self.selection, self.decoder, self.heads):
            part.reset_parameters()  # type: ignore[operator]
        if self.masks is not None:
            self.masks.reset_parameters()
        self._reset_tables()

    def _padding(self, finest: Tensor, sizes: Tensor) -> Callable[[tuple[int, int]], Tensor]:
        """What gives the padded cells `(B, h, w)` of a map of a size."""
        canvas = (finest.shape[-2] * self.stride, finest.shape[-1] * self.stride)
        return partial(padded_cells, sizes, canvas)

    def _reset_tables(self) -> None:
        nn.init.normal_(self.labels.weight)
        if self.contents is not None:
            nn.init.xavier_uniform_(self.contents.weight)


def _build_decoder(design: DINODesign, num_levels: int) -> DINODecoder:
    """The decoder of a design, for a number of maps."""
    layers = [
        DecoderLayer(
            design.dim,
            num_levels=num_levels,
            num_heads=design.num_heads,
            num_points=design.num_points,
            hidden_dim=design.feedforward,
            dropout=design.dropout,
            activation=design.activation,
        )
        for _ in range(design.decoder_depth)
    ]
    return DINODecoder(layers, dim=design.dim, padded_codes=not design.exact_padding)


def _part(predictions: QueryPredictions, queries: slice) -> QueryPredictions:
    """The predictions of some of the queries."""
    part = {name: one[:, queries] for name, one in cast(dict[str, Tensor], predictions).items()}
    return cast(QueryPredictions, part)


def _mask_branch(specs: Sequence[FeatureSpec], dim: int) -> QueryMasks:
    """The mask branch for the first map of a pyramid."""
    strides = [spec.stride for spec in specs]
    if strides[0] != STRIDE or len(specs) < 2:
        raise ConfigError(
            f"masks=True of DINOHead needs a map of stride {STRIDE} and coarser ones; the pyramid "
            f"has strides {strides}. Set neck_options.strides to [4, 8, 16, 32], or masks to false."
        )
    return QueryMasks(specs[0].channels, dim=dim)


def _check_count(max_per_image: int, num_queries: int, num_classes: int) -> None:
    check_number("max_per_image", max_per_image, minimum=1, maximum=MAX_COUNT)
    pairs = num_queries * num_classes
    if max_per_image > pairs:
        raise ConfigError(
            f"max_per_image={max_per_image:,} is more than the {pairs:,} pairs of a query and a "
            f"class: num_queries={num_queries:,}, num_classes={num_classes:,}. Set "
            f"head_options.max_per_image to at most {pairs:,}."
        )
