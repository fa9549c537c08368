"""Export graph of a detector of boxes in sweeps of a lidar: from points to candidates.

Letters: P points, C numbers of a point, N candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from vision.contracts.boxes3d import CENTRE, SIZE, YAW
from vision.errors import ConfigError
from vision.export.compare import Difference, compare_objects
from vision.export.graph import BATCH, Graph
from vision.export.inputs import ProgramInput, Source
from vision.tasks.detection3d import Detection3D

POINTS = "points"
DTYPE = "float32"
OWN_SIZE = 4000  # points that a program is traced with
NO_ONNX = (
    "how many pillars there are depends on where the points lie, and its exporters cannot open "
    "that number. Write torch-export, or safetensors, which vision.load reads"
)
ONE_SWEEP = "a program has one sweep, since each has its own number of points"


@dataclass(frozen=True)
class SweepInput(ProgramInput):
    """Sweeps of equally many points, `(B, C, P)`: x, y, z in metres first, in the model's range.

    Attributes:
        low: Lowest x, y, z in metres.
        high: Highest x, y, z in metres.
    """

    name = "sweeps"
    key = "points"
    axes = (POINTS,)
    min_side = 2
    options = "--size POINTS"
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def random(self, count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """Points all over the range."""
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        shares = torch.rand(count, size[0], 3, generator=generator)
        rest = torch.rand(count, size[0], self.channels - 3, generator=generator)
        places = low + (high - low) * shares
        return torch.cat([places, rest], dim=2).transpose(1, 2).contiguous().to(self.dtype)

    def examples(self, count: int, size: Sequence[int], source: Source) -> dict[str, Tensor]:
        """Points all over the range, and points that crowd in a corner.

        Args:
            count: Number of sweeps.
            size: Points of each.
            source: Must be None.

        Raises:
            ConfigError: A source is given.
        """
        if source is not None:
            raise ConfigError(
                f"a program of sweeps is compared on random ones: leave --inputs {source} out."
            )
        generator = torch.Generator().manual_seed(count)
        random = self.random(count, size, generator)
        dense = self.random(count, size, generator)
        # Near a corner many points share a pillar.
        low, high = (torch.tensor(limits[:2])[:, None] for limits in (self.low, self.high))
        shares = (dense[:, :2].float() - low) / (high - low)
        dense[:, :2] = (low + (high - low) * shares.square()).to(self.dtype)
        return {"random": random, "dense": dense}

    def facts(self) -> dict[str, Any]:
        """What the rows are."""
        return {
            "axes": "one sweep, numbers of a point, points",
            "values": "x forward, y left, z up in metres, then what else the lidar measures; "
            f"points from {[*self.low]} to {[*self.high]} alone",
        }


class LidarGraph(Graph):
    """From the points of one sweep to the best cells of the map; the suppression is left out.

    Args:
        task: The trained task.
        logits: Must be False: a detector has no logits to return.
        input_dtype: Must be "float32": points are metres.

    Raises:
        ConfigError: Logits or another type were requested.
    """

    kind = "detection3d"
    unordered = True
    own_size = (OWN_SIZE,)
    refused: ClassVar[Mapping[str, str]] = {"onnx": NO_ONNX}

    def __init__(
        self, task: Detection3D, *, logits: bool = False, input_dtype: str = DTYPE
    ) -> None:
        if logits:
            raise ConfigError("a detector returns boxes, not logits; leave logits out.")
        if input_dtype != DTYPE:
            raise ConfigError(
                f"input_dtype={input_dtype!r} is not possible for points, which are metres: leave "
                f"--input-dtype out, or give {DTYPE}."
            )
        grid: Any = task.reader.grid
        super().__init__(
            axes={
                "boxes3d": (BATCH, "candidates", 7),
                "scores": (BATCH, "candidates"),
                "labels": (BATCH, "candidates"),
                "valid": (BATCH, "candidates"),
            },
            first=SweepInput(torch.float32, task.reader.in_channels, low=grid.low, high=grid.high),
            fixed={"batch": ONE_SWEEP},
        )
        parts: tuple[Any, ...] = task.reader, task.backbone, task.neck, task.head
        self.reader, self.backbone, self.neck, self.head = parts
        self.eval()

    def forward(self, sweeps: Tensor) -> tuple[Tensor, ...]:
        """Map sweeps of equally many points `(B, C, P)` to `CenterCandidates`."""
        number, points = sweeps.shape[0], sweeps.transpose(1, 2).flatten(0, 1)
        counts = torch.full((number,), sweeps.shape[2], dtype=torch.int64, device=points.device)
        features, coords = self.reader(points, counts)
        # Of one point or more there is a pillar, which an exporter does not know.
        torch._check(coords.shape[0] > 0)
        pillars = (coords[:, :1] == torch.arange(number, device=points.device)).sum(0)
        features = self.backbone(features, coords, pillars)
        outputs = self.head(self.neck(self.reader.to_map(features, coords, number)))
        found = self.head.decode(outputs)
        return tuple(found[name] for name in self.axes)

    def compare(
        self, found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
    ) -> list[Difference]:
        """Differences of the candidates, after matching them by place and class."""
        return compare_objects(_matched(found), _matched(source), tolerance=tolerance)

    def facts(self, size: Sequence[int]) -> dict[str, Any]:
        """What is left to the caller: the range, and the suppression."""
        head = self.head
        return {
            "how": [
                "Leave out the points outside the range of the input.",
                "Of the candidates, by falling score, keep those that are valid: with a score above"
                f" {head.score_threshold}.",
                "Of boxes of one class that overlap seen from above by more than its threshold "
                f"(intersection over union: {[*head.nms_thresholds]} by class) keep the best; look "
                f"at {[*head.max_before]} of each class, and keep {[*head.max_after]} at most.",
                "A box is x, y, z of its centre, length, height and width in metres, and yaw, "
                "counter-clockwise seen from above, in the frame of the lidar.",
            ]
        }


def _matched(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Candidates with rectangles around their places, and yaw as a point on a circle."""
    boxes, labels = outputs["boxes3d"], outputs["labels"]
    centre = boxes[..., :2]
    return {
        "boxes": torch.cat([centre - 0.05, centre + 0.05], dim=-1),
        "labels": labels,
        "count": torch.full(labels.shape[:1], labels.shape[1]),
        "place": boxes[..., CENTRE],
        "size": boxes[..., SIZE],
        "yaw": torch.stack([boxes[..., YAW].cos(), boxes[..., YAW].sin()], dim=-1),
        "scores": outputs["scores"],
        "valid": outputs["valid"].to(boxes.dtype),
    }
