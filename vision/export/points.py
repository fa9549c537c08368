"""Export graph of a model of point clouds: from clouds of equally many voxels to their logits.

Letters: B clouds, V voxels of each, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.export.graph import BATCH, Graph
from vision.export.inputs import ProgramInput, Source
from vision.tasks.points import PointSegmentation

VOXELS = "voxels"
DTYPE = "float32"
OWN_SIZE = 2000  # voxels that a program is traced with
WHY = "how many windows there are, and how many voxels in each, depends on where the points lie"
INSTEAD = "Write safetensors, which vision.load reads"
SHARE = 0.15  # of the voxels of a room that examples have


@dataclass(frozen=True)
class CloudInput(ProgramInput):
    """Clouds of one number of voxels: x, y, z in voxels, RGB in 0..255, and maybe normals."""

    name = "clouds"
    key = "coords"
    axes = (VOXELS,)
    min_side = 1
    options = "--size VOXELS"

    def random(self, count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """Random clouds `(count, C, V)` with one point in a voxel."""
        return torch.stack([self._cloud(size[0], generator) for _ in range(count)]).to(self.dtype)

    def _cloud(self, voxels: int, generator: torch.Generator) -> Tensor:
        side = max(2, round((voxels / SHARE) ** (1 / 3)) + 1)
        cells = torch.randperm(side**3, generator=generator)[:voxels].sort().values
        corners = torch.stack([cells // side**2, cells // side % side, cells % side])  # (3, V)
        places = corners + torch.rand(3, voxels, generator=generator) * 0.999
        colors = torch.randint(0, 256, (3, voxels), generator=generator)
        if self.channels == 6:
            return torch.cat([places, colors])
        normals = torch.randn(3, voxels, generator=generator)
        return torch.cat([places, colors, normals / normals.norm(dim=0).clamp(min=1e-6)])

    def examples(self, count: int, size: Sequence[int], source: Source) -> dict[str, Tensor]:
        """Random clouds.

        Args:
            count: Number of clouds.
            size: Voxels of each.
            source: Must be None.

        Raises:
            ConfigError: A source is given.
        """
        if source is not None:
            raise ConfigError(
                f"a program of clouds is compared on random ones: leave --inputs {source} out."
            )
        return {"random": self.random(count, size, torch.Generator().manual_seed(count))}

    def facts(self) -> dict[str, Any]:
        """What the rows are."""
        normals = "; then the unit vector of the normal" if self.channels > 6 else ""
        return {
            "axes": "batch, numbers of a point, voxels",
            "values": "x, y, z in voxels of preprocessing.options.voxel_size from the lowest corner"
            f" of the cloud, one point in each voxel; red, green, blue in 0..255{normals}",
        }


class PointsGraph(Graph):
    """A network on clouds of one number of voxels; which voxel a point is in is left to the caller.

    Args:
        task: The trained task; votes are left to the caller too.
        logits: Whether to output logits instead of probabilities.
        input_dtype: Must be "float32".

    Raises:
        ConfigError: `input_dtype` is another.
    """

    kind = "points"
    first: CloudInput
    own_size = (OWN_SIZE,)
    refused: ClassVar[Mapping[str, str]] = {
        "onnx": f"{WHY}, and its operators sort no rows by keys of 64 bits. {INSTEAD}",
        "torch-export": f"{WHY}, and torch.export needs to know them beforehand. {INSTEAD}",
    }

    def __init__(
        self, task: PointSegmentation, *, logits: bool = False, input_dtype: str = DTYPE
    ) -> None:
        if input_dtype != DTYPE:
            raise ConfigError(
                f"input_dtype={input_dtype!r} is not possible for points, whose places are "
                f"fractions: leave --input-dtype out, or give {DTYPE}."
            )
        name = "logits" if logits else "probabilities"
        super().__init__(
            axes={name: (BATCH, task.num_classes, VOXELS)},
            first=CloudInput(torch.float32, 9 if task.uses_normals else 6),
            fixed={},
        )
        self.task, self.logits = task, logits
        self.eval()

    def forward(self, clouds: Tensor) -> tuple[Tensor, ...]:
        """Map clouds `(B, C, V)` to probabilities or logits, float32 `(B, K, V)`."""
        count, channels, voxels = clouds.shape
        rows = clouds.transpose(1, 2).reshape(count * voxels, channels)
        counts = torch.full((count,), voxels, dtype=torch.int64, device=clouds.device)
        normals = rows[:, 6:] if self.task.uses_normals else None
        logits = self.task(rows[:, :3], rows[:, 3:6], counts, normals)
        found = logits.reshape(count, voxels, -1).transpose(1, 2)
        return (found if self.logits else found.softmax(dim=1),)

    def facts(self, size: Sequence[int]) -> dict[str, Any]:
        """How a file of points becomes voxels, and the result that of its points."""
        return {
            "how": [
                "divide places by preprocessing.options.voxel_size, and subtract the floor of the "
                "lowest of each axis;",
                "of the points of a voxel take the nearest to its centre;",
                "give each point the class with the largest value of its voxel.",
            ]
        }
