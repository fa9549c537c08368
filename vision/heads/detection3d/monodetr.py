"""MonoDETR's head: depth from bins, and queries that read it beside the maps of a pyramid."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.contracts.detection3d import Boxes3DPrediction
from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError, shown
from vision.heads.detection3d.decoder import DecoderLayer, DepthGuidedDecoder, Memory
from vision.heads.detection3d.decoding import choose, decode
from vision.heads.detection3d.depth_encoder import DepthEncoder
from vision.heads.detection3d.depth_predictor import DepthPredictor
from vision.heads.detection3d.design import MonoDETRDesign
from vision.heads.detection3d.object_depth import object_depth
from vision.heads.detection3d.predictions import LayerPredictions
from vision.heads.detection3d.queries import GroupQueries
from vision.layers.deformable import Size
from vision.layers.deformable_encoder import DeformableEncoderLayer, cell_centres
from vision.layers.input_projections import InputProjections
from vision.ops.boxes import at_least_float32, clip_boxes
from vision.ops.camera_views import CameraViews, camera_views
from vision.ops.depth_bins import DepthBins
from vision.ops.monocular_predictions import (
    MonocularDetections,
    MonocularOutputs,
    MonocularPredictions,
)
from vision.ops.sine_positions import sine_positions
from vision.options import (
    MAX_CLASSES,
    MAX_COUNT,
    PROBABILITY,
    Range,
    check_number,
    check_ranges,
    read_options,
)

__all__ = ["MonoDETRDesign", "MonoDETRHead"]

# Strides of the maps that are read.
STRIDES = (8, 16, 32)
# These, and the one that is made of the last of them.
LEVELS = len(STRIDES) + 1
# Place of the map whose cells have a depth, that of stride 16.
DEPTH_LEVEL = 1


class MonoDETRHead(nn.Module):
    """Finds boxes in space in one image, from any pyramid with maps of strides 8, 16 and 32.

    "MonoDETR: Depth-guided Transformer for Monocular 3D Object Detection", Zhang et al., 2023,
    https://arxiv.org/abs/2203.13310, as in the authors' PyTorch code
    (https://github.com/ZrrSkywalker/MonoDETR), whose parameters without an effect are left out:
    `vision/weights/names/monodetr.py` lists them. Deviations are `exact_rows`, and that with
    `mean_sizes` the depth that follows from the height of an object uses its whole height, there
    the difference from the mean.

    Args:
        specs: Channels and stride of each map, finest first.
        num_classes: Number K of classes.
        num_queries: Number Q of queries, and so of objects that can be found in an image.
        num_groups: Groups of such queries in training.
        bins: Bins of the depth of cells.
        mean_sizes: Height, width and length in metres of each class, which predicted sizes are
            added to; null predicts whole sizes, as published.
        exact_rows: Whether rows of the input lie where the image was scaled to, instead of being
            stretched to its height as published: 1.2 pixels more at the border of KITTI's images.
        score_threshold: Smallest class score of a detection.
        max_per_image: Largest number of detections per image, pairs of a query and a class.
        design: Widths and depths.

    Raises:
        ConfigError: A map is missing, or an option is out of its range.
    """

    mean_sizes: Tensor

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        num_queries: int = 50,
        num_groups: int = 11,
        bins: DepthBins | Mapping[str, Any] | None = None,
        mean_sizes: Sequence[Sequence[float]] | None = None,
        exact_rows: bool = False,
        score_threshold: float = 0.2,
        max_per_image: int = 50,
        design: MonoDETRDesign | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_number("num_classes", num_classes, minimum=1, maximum=MAX_CLASSES)
        check_ranges({"score_threshold": score_threshold}, {"score_threshold": PROBABILITY})
        check_number("max_per_image", max_per_image, minimum=1, maximum=MAX_COUNT)
        chosen = read_options(MonoDETRDesign, design or {}, group="design")
        depths = read_options(DepthBins, bins or {}, group="bins")
        self.num_classes, self.exact_rows = num_classes, exact_rows
        self.score_threshold, self.max_per_image = score_threshold, max_per_image
        self.dim = chosen.dim
        self._mean_sizes = _check_sizes(mean_sizes, num_classes)
        self.register_buffer("mean_sizes", torch.tensor(self._mean_sizes), persistent=False)
        self.projections = InputProjections(
            specs, dim=chosen.dim, num_levels=LEVELS, owner="MonoDETRHead", strides=STRIDES
        )
        self.depth_predictor = DepthPredictor(chosen.dim, bins=depths)
        self.depth_encoder = DepthEncoder(
            chosen.dim,
            num_heads=chosen.num_heads,
            hidden_dim=chosen.depth_feedforward,
            max_depth=depths.maximum,
            dropout=chosen.dropout,
        )
        layer: dict[str, Any] = {
            "num_levels": LEVELS,
            "num_heads": chosen.num_heads,
            "num_points": chosen.num_points,
            "hidden_dim": chosen.feedforward,
            "dropout": chosen.dropout,
        }
        self.level_codes = nn.Parameter(torch.empty(LEVELS, chosen.dim))
        self.encoder = nn.ModuleList(
            DeformableEncoderLayer(chosen.dim, **layer) for _ in range(chosen.encoder_depth)
        )
        self.queries = GroupQueries(chosen.dim, num_queries=num_queries, num_groups=num_groups)
        self.decoder = DepthGuidedDecoder(
            [DecoderLayer(chosen.dim, **layer) for _ in range(chosen.decoder_depth)],
            dim=chosen.dim,
        )
        self.predictions = nn.ModuleList(
            LayerPredictions(chosen.dim, num_classes=num_classes, first=i == 0)
            for i in range(chosen.decoder_depth)
        )
        nn.init.normal_(self.level_codes)

    def forward(
        self,
        features: Sequence[Tensor],
        cameras: Tensor,
        sizes: Tensor,
        original_sizes: Tensor,
    ) -> MonocularOutputs:
        """Predict.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.
            cameras: float `(B, 3, 4)` projection of each original image.
            sizes: `(B, 2)` height and width of each input in pixels, without padding.
            original_sizes: `(B, 2)` height and width of each original image in pixels.

        Returns:
            The predictions of the last layer for all groups of queries in training, for the first
            one in evaluation, and those of the other layers.
        """
        views = self.views(cameras, sizes, original_sizes)
        maps = self.projections(features)
        positions = [self.positions(x) for x in maps]
        cells, depth_logits, depth_map = self.depth_predictor(maps[: len(STRIDES)])
        depth_memory, _ = self.depth_encoder(cells, positions[DEPTH_LEVEL], depth_map)
        memory = self.encode(maps, positions, depth_memory)
        decoded = self.decoder(memory, self.queries, list(self.predictions))
        layers = [
            self._predict(predict, queries, boxes, depth_map, views)
            for predict, queries, boxes in zip(
                self.predictions, decoded.queries, decoded.boxes, strict=True
            )
        ]
        last = layers.pop()
        return {
            "logits": last["logits"],
            "boxes": last["boxes"],
            "sizes": last["sizes"],
            "depth_m": last["depth_m"],
            "log_scale": last["log_scale"],
            "angles": last["angles"],
            "layers": layers,
            "depth_logits": depth_logits,
            "mean_sizes": self.mean_sizes,
            "num_groups": self.queries.num_groups if self.training else 1,
        }

    def encode(
        self, maps: Sequence[Tensor], positions: Sequence[Tensor], depth_memory: Tensor
    ) -> Memory:
        """Let the cells of all maps look at each other.

        Args:
            maps: L maps `(B, D, h, w)`.
            positions: float `(h * w, D)`, the codes of the places of their cells.
            depth_memory: float `(B, M, D)`, the cells of the map of depth.
        """
        sizes: list[Size] = [(x.shape[-2], x.shape[-1]) for x in maps]
        x = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)  # (B, N, D)
        codes = torch.cat([p + c for p, c in zip(positions, self.level_codes, strict=True)])
        references = cell_centres(sizes, x.device).to(x.dtype).expand(x.shape[0], -1, -1, -1)
        for layer in self.encoder:
            x = layer(x, codes, references, sizes)
        return Memory(x, sizes, depth_memory)

    def views(self, cameras: Tensor, sizes: Tensor, original_sizes: Tensor) -> CameraViews:
        """How the inputs lie in their images, by `exact_rows`."""
        return camera_views(cameras, original_sizes, sizes if self.exact_rows else None)

    def decode(self, outputs: MonocularPredictions, views: CameraViews) -> MonocularDetections:
        """Boxes in space, `max_per_image` places for each image.

        Args:
            outputs: Of `forward` in evaluation.
            views: Of `views`.
        """
        chosen = choose(outputs, self.max_per_image)
        return decode(chosen, views, self.mean_sizes, self.score_threshold)

    @torch.no_grad()
    def predict(
        self, detections: MonocularDetections, original_sizes: Tensor | None = None
    ) -> list[Boxes3DPrediction]:
        """The objects of each image.

        Args:
            detections: Of `decode`.
            original_sizes: `(B, 2)` height and width of each original image in pixels, to which
                2-D boxes are clipped; None leaves them.
        """
        boxes = detections["boxes"]
        if original_sizes is not None:
            boxes = clip_boxes(boxes, original_sizes)
        found: list[Boxes3DPrediction] = []
        for i, count in enumerate(detections["count"].tolist()):
            # The scale of the depth changes the order of the class scores.
            order = detections["scores"][i, :count].argsort(descending=True, stable=True)
            found.append(
                {
                    "boxes3d": detections["boxes3d"][i, order],
                    "boxes": boxes[i, order],
                    "alpha": detections["alpha"][i, order],
                    "labels": detections["labels"][i, order],
                    "scores": detections["scores"][i, order],
                }
            )
        return found

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer of the classes, of each decoder layer."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return {
            f"predictions.{i}.classes.{part}": rows
            for i in range(len(self.predictions))
            for part in ("weight", "bias")
        }

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published, and what is computed from options."""
        owners = (self.projections, self.depth_predictor, self.depth_encoder, self.queries)
        for part in (*owners, self.decoder, *self.encoder, *self.predictions):
            part.reset_parameters()
        nn.init.normal_(self.level_codes)
        self.mean_sizes.copy_(torch.tensor(self._mean_sizes))

    def positions(self, x: Tensor) -> Tensor:
        """The codes `(h * w, D)` of the places of the cells of a map `(B, D, h, w)`."""
        size = (x.shape[-2], x.shape[-1])
        return sine_positions(size, self.dim, x.device).flatten(0, 1).to(x.dtype)

    def _predict(
        self,
        predict: nn.Module,
        queries: Tensor,
        boxes: Tensor,
        depth_map: Tensor,
        views: CameraViews,
    ) -> MonocularPredictions:
        assert isinstance(predict, LayerPredictions), "it is one of a list of such parts"
        logits, sizes = predict.classes(queries), at_least_float32(predict.sizes(queries))
        code, log_scale = at_least_float32(predict.depth(queries)).unbind(dim=-1)
        # Classes are asked without a gradient, as the best one is no smooth function.
        heights = sizes[..., 0] + self.mean_sizes[logits.argmax(dim=-1), 0]
        depth = object_depth(code, heights, boxes, depth_map, views)
        return {
            "logits": logits,
            "boxes": boxes,
            "sizes": sizes,
            "depth_m": depth,
            "log_scale": log_scale,
            "angles": predict.angles(queries),
        }


def _check_sizes(sizes: Sequence[Sequence[float]] | None, num_classes: int) -> list[list[float]]:
    """A row per class, zeros for None."""
    if sizes is None:
        return [[0.0] * 3] * num_classes
    rows = Range(above=0, length=3)
    if len(sizes) != num_classes or not all(rows.holds(row) for row in sizes):
        raise ConfigError(
            f"mean_sizes={shown(sizes)} must be {num_classes} rows, one per class, of height, "
            "width and length in metres, each above 0; or null."
        )
    return [[float(side) for side in row] for row in sizes]
