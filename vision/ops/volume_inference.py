"""The class of each cell of an original volume, from windows over the volume that a network gets.

Letters: C modalities, K outputs; D, H, W cells along the axes of the volume, d, h, w of the
original one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vision.contracts.volumes import Regions, VolumePrediction
from vision.ops.sliding_windows import VolumeInference, slide
from vision.ops.volume_components import keep_largest
from vision.ops.volume_regions import paint_regions
from vision.ops.volume_resampling import same_cells, to_original

# Rows along the first axis whose largest output is looked for at once.
ROWS = 16


class Grids(NamedTuple):
    """The cells of a volume, and those of the original one.

    Attributes:
        affine: float `(4, 4)`, from the cells of the volume to millimetres.
        original_affine: float `(4, 4)`, from those of the original volume.
        original_size: The original cells d, h, w.
    """

    affine: Tensor
    original_affine: Tensor
    original_size: Sequence[int]


@torch.no_grad()
def predict_volume(
    run: Callable[[Tensor], Tensor],
    volume: Tensor,
    grids: Grids,
    options: VolumeInference,
    *,
    regions: Regions | None = None,
    probabilities: bool = False,
) -> VolumePrediction:
    """Find the class of each cell of an original volume.

    Where the original has the same cells, in another order of axes or around a crop, a cell is
    decided by its logits in float32. Otherwise the probabilities are kept in half precision,
    interpolated, and the original cells decided by them. What lies outside of the volume is
    background.

    Args:
        run: Takes windows, float `(N, C, D', H', W')`, and returns logits `(N, K, D', H', W')`.
        volume: float `(C, D, H, W)`, as the network gets it, without padding.
        grids: Its cells and the original ones.
        options: The windows.
        regions: The regions of a model of regions, one sigmoid each; None for a softmax over
            classes, of which index 0 is the background.
        probabilities: Whether those of the original cells are returned too.

    Returns:
        The prediction, on the device of the volume.
    """
    rule = _Classes() if regions is None else _Regions(regions)
    aligned = same_cells(grids.affine, grids.original_affine)
    kept = probabilities or not aligned
    decided: list[Tensor] = []

    def finish(logits: Tensor) -> Tensor:
        if aligned:
            decided.append(rule.decide(logits, 0.0))
        return rule.probabilities(logits).half() if kept else logits[:0]

    values = slide(run, volume, options, finish=finish)
    if kept:
        values = to_original(values, *grids, outside=rule.outside(len(values)))
    if aligned:
        found = to_original(torch.cat(decided, dim=1), *grids)
        decided.clear()
    else:
        found = rule.decide(values, 0.5)
    prediction = rule.finish(found, largest=options.largest_component)
    if probabilities:
        prediction["probabilities"] = values
    return prediction


class _Regions:
    """Outputs with a sigmoid each: what was found is bool `(K, ...)`."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def outside(self, outputs: int) -> float | list[float]:
        return 0.0

    def decide(self, values: Tensor, threshold: float) -> Tensor:
        return values > threshold

    def finish(self, found: Tensor, *, largest: bool) -> VolumePrediction:
        if largest:
            found = keep_largest(found)
        return {"mask": paint_regions(found, self.regions), "regions": found}


class _Classes:
    """Outputs with a softmax over them: what was found is uint8 `(1, ...)`, a class index."""

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=0)

    def outside(self, outputs: int) -> float | list[float]:
        return [1.0, *[0.0] * (outputs - 1)]

    def decide(self, values: Tensor, threshold: float) -> Tensor:
        # By a few rows, since an index has eight bytes.
        rows = values.split(ROWS, dim=1)
        return torch.cat([some.argmax(dim=0, keepdim=True).to(torch.uint8) for some in rows], dim=1)

    def finish(self, found: Tensor, *, largest: bool) -> VolumePrediction:
        mask = found[0]
        if largest:
            for index in [int(k) for k in mask.unique() if k > 0]:
                cells = (mask == index)[None]
                mask[(cells & ~keep_largest(cells))[0]] = 0
        return {"mask": mask}
