"""Swin UNETR beside MONAI's: time and peak memory of the forward pass and of a training step.

Both sides have the same weights and see the same patch; logits are compared before anything is
timed. MONAI's is also run with its option `use_flash_attention`, which its training does not use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.swin_volume import SwinVolume
from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.memory import peaks
from vision.benchmarks.results import Table
from vision.benchmarks.two_sides import MODES
from vision.errors import MissingPackageError
from vision.heads.volumes.padding import padded_outputs
from vision.heads.volumes.swin_unetr import SwinUNETRHead
from vision.weights.names.write import to_naming

CHANNELS, OUTPUTS = 4, 3
# Of the largest logit, in float32.
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        feature_size: Channels of the first map.
        sizes: Sides of the patches in cells.
        batch: Patches of a step.
    """

    feature_size: int
    sizes: Sequence[int]
    batch: int


class Network(nn.Module):
    """Our side: encoder and decoder."""

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.backbone = SwinVolume(dim=feature_size, in_channels=CHANNELS)
        specs = self.backbone.feature_specs
        self.head = SwinUNETRHead(specs, in_channels=CHANNELS, num_outputs=OUTPUTS)

    def forward(self, volumes: Tensor) -> Tensor:
        """`(B, C, D, H, W)` to logits `(B, K, D, H, W)`."""
        return padded_outputs(self.backbone, self.head, volumes)["logits"]


class Benchmark:
    """Both sides with the same weights, and a patch for them.

    Args:
        settings: What is measured.
        size: Side of the patch in cells.
        flash: Whether MONAI's side has its `use_flash_attention`.

    Raises:
        MissingPackageError: MONAI is not installed.
    """

    def __init__(self, settings: Settings, size: int, *, flash: bool = False) -> None:
        try:
            from monai.networks.nets.swin_unetr import SwinUNETR, rearrange

            # MONAI notices only when it is called that einops is missing.
            rearrange(torch.zeros(1, 1), "a b -> b a")
        except ImportError as error:
            raise MissingPackageError(
                "the other side of this benchmark is MONAI's SwinUNETR. Install it: "
                "pip install monai einops"
            ) from error
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        ours = Network(settings.feature_size)
        options: dict[str, Any] = {"use_flash_attention": True} if flash else {}
        theirs = SwinUNETR(CHANNELS, OUTPUTS, feature_size=settings.feature_size, **options)
        theirs.load_state_dict(to_naming(ours, "official"))
        self.sides: list[nn.Module] = [side.to(settings.place) for side in (ours, theirs)]
        shape = (settings.batch, CHANNELS, *(size,) * 3)
        self.volumes = torch.randn(shape).to(settings.place)

    def logits(self, side: int) -> Tensor:
        """Logits of ours (0) or theirs (1), without gradients."""
        # MONAI chooses its attention by whether gradients are recorded.
        with torch.inference_mode():
            logits: Tensor = self.sides[side].eval()(self.volumes)
            return logits

    def compare(self) -> float:
        """The largest difference of the logits.

        Raises:
            UnequalSidesError: They differ by more than rounding.
        """
        found = [self.logits(side) for side in (0, 1)]
        return check_equal(*found, tolerance=TOLERANCE, what="Swin UNETR and MONAI's")

    def step(self, mode: str, side: int) -> None:
        """A forward pass without gradients, or a training step."""
        if mode == "inference":
            with self.settings.autocast():
                self.logits(side)
            return
        self.clear()
        with self.settings.autocast():
            loss = self.sides[side].train()(self.volumes).square().mean()
        loss.backward()

    def clear(self) -> None:
        """Drop the gradients of both."""
        for side in self.sides:
            side.zero_grad(set_to_none=True)


def measure_volumes(settings: Settings) -> Table:
    """Measure both sides, for each size and mode.

    Raises:
        MissingPackageError: MONAI is not installed.
        UnequalSidesError: The logits differ.
    """
    measured = begin("Swin UNETR beside MONAI's", settings)
    for size in settings.sizes:
        both = Benchmark(settings, size)
        difference = both.compare()
        for mode in MODES:
            label = f"{mode} at {size} x {size} x {size}"
            _add_times(measured, both, mode, label, "MONAI", difference)
            steps = [partial(both.step, mode, side) for side in (0, 1)]
            found = peaks(steps, settings.place, clear=both.clear)
            measured.add_counts(f"{label}, peak", "MiB", found, "MONAI")
        del both
        flash = Benchmark(settings, size, flash=True)
        label, peer = f"inference at {size} x {size} x {size}", "MONAI, flash attention"
        _add_times(measured, flash, "inference", label, peer, flash.compare())
    return measured.table()


def _add_times(
    measured: Measurement,
    both: Benchmark,
    mode: str,
    label: str,
    peer: str,
    difference: float,
) -> None:
    measured.compare(
        label,
        *(partial(both.step, mode, side) for side in (0, 1)),
        rounds=both.settings.rounds,
        warmup=both.settings.warmup,
        peer=peer,
        per=both.settings.batch,
        of="patch",
        difference=difference,
    )
