"""Export graph of a model of volumes: from a window to what each of its cells is.

Letters: C modalities, K regions or classes, D, H, W cells along the axes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.export.canvas import Run
from vision.export.graph import BATCH, HEIGHT, WIDTH, Axes, Graph
from vision.export.inputs import PLANES, VolumeInput
from vision.heads.volumes.padding import padded_outputs
from vision.ops.sliding_windows import VolumeInference, slide
from vision.tasks.volumes import VolumeSegmentation

FIXED = "windows of attention shrink to maps that are smaller"
DTYPE = "float32"


class VolumesGraph(Graph):
    """A network on one window; the windows that slide over a volume are left to the caller.

    Args:
        task: The trained task.
        logits: Whether to output the logits, whose mean over windows decides in the suite, instead
            of the probabilities.
        input_dtype: Must be "float32": volumes are normalised.

    Raises:
        ConfigError: `input_dtype` is another.
    """

    kind = "volumes"
    calibrated = "windows"
    scored_logits = True
    first: VolumeInput

    def __init__(
        self, task: VolumeSegmentation, *, logits: bool = False, input_dtype: str = DTYPE
    ) -> None:
        if input_dtype != DTYPE:
            raise ConfigError(
                f"input_dtype={input_dtype!r} is not possible for volumes, whose values are "
                f"normalised: leave --input-dtype out, or give {DTYPE}."
            )
        outputs = task.num_classes if task.regions is None else len(task.regions)
        cells: Axes = (BATCH, outputs, PLANES, HEIGHT, WIDTH)
        names = None if task.modalities is None else tuple(task.modalities)
        super().__init__(
            axes={"logits" if logits else "probabilities": cells},
            first=VolumeInput(torch.float32, task.in_channels, modalities=names),
            fixed={"size": FIXED},
        )
        self.backbone, self.head, self.logits = task.backbone, task.head, logits
        self.inference: VolumeInference = task.inference
        self.regions = None if task.regions is None else {**task.regions}
        self.label_values = task.label_values
        self.own_size = tuple(task.inference.window)
        self.eval()

    def forward(self, volumes: Tensor) -> tuple[Tensor, ...]:
        """Map volumes `(B, C, D, H, W)` to probabilities or logits, float32 `(B, K, D, H, W)`."""
        logits = padded_outputs(self.backbone, self.head, volumes)["logits"].float()
        if self.logits:
            return (logits,)
        return (logits.softmax(dim=1) if self.regions is None else logits.sigmoid(),)

    def parts(self, images: Tensor, size: Sequence[int]) -> Iterator[Tensor]:
        """The first, the middle and the last window along the diagonal of each volume."""
        window = self._windows(size).window
        for volume in images:
            sides = list(zip(volume.shape[1:], window, strict=True))
            missing = [max(length - side, 0) for side, length in sides]
            ends = [end for n in reversed(missing) for end in (n // 2, n - n // 2)]
            padded = F.pad(volume, ends)
            spare = [max(side - length, 0) for side, length in sides]
            for half in range(3) if any(spare) else (0,):
                lows = [n * half // 2 for n in spare]
                cells = [slice(low, low + n) for low, n in zip(lows, window, strict=True)]
                yield padded[(slice(None), *cells)][None].contiguous()

    def on_all(self, run: Run, size: Sequence[int]) -> Run:
        """A program of windows as one of whole volumes, by the task's windows that slide."""
        options = self._windows(size)

        def run_each(volumes: Tensor) -> dict[str, Tensor]:
            return {
                name: torch.stack([slide(_output(run, name), one, options) for one in volumes])
                for name in self.axes
            }

        return run_each

    def _windows(self, size: Sequence[int]) -> VolumeInference:
        self.first.check_size(size)
        return replace(self.inference, window=(size[0], size[1], size[2]))

    def facts(self, size: Sequence[int]) -> dict[str, Any]:
        """What its outputs are, and how windows of its size slide over a volume."""
        options = self._windows(size)
        decided = "by the largest of the probabilities (or logits) of a cell"
        if self.regions is not None:
            decided = "where a probability is above 0.5 (a logit above 0)"
        return {
            "label_values": self.label_values,
            "regions": self.regions and {name: [*found] for name, found in self.regions.items()},
            "windows": {
                "window": [*options.window],
                "overlap": options.overlap,
                "weighting": options.weighting,
                "mirror": [*options.mirror],
                "largest_component": options.largest_component,
            },
            "how": [
                "The program has one window; the loop over a volume is left to the caller, as "
                "vision.ops.sliding_windows.slide has it:",
                "prepare the volume as preprocessing.options say, and pad it with 0 on both sides "
                "where it is smaller than a window;",
                "start a window every int(side * (1 - overlap)) cells of an axis, and the last one "
                "where it ends with the volume;",
                "give each cell the mean of what the windows over it have, weighted with 1 or with "
                f"the Gaussian; the suite means logits (--logits), and decides {decided};",
                "bring the result back to the grid of the file.",
            ],
        }


def _output(run: Run, name: str) -> Callable[[Tensor], Tensor]:
    return lambda windows: run(windows)[name]
