"""Swin UNETR beside MONAI's: time and peak memory of the forward pass and of a training step.

Both sides have the same weights and see the same patch; MONAI's is also run with its option
`use_flash_attention`, which its training does not use. Peak memory is measured as for other heads
(`vision.benchmarks.heads`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.swin_volume import SwinVolume
from vision.benchmarks.memory import in_fresh_process, peak_allocated, peak_growth
from vision.benchmarks.timing import print_compared, print_head, print_row, wall_times
from vision.errors import MissingPackageError
from vision.heads.volumes.padding import padded_outputs
from vision.heads.volumes.swin_unetr import SwinUNETRHead
from vision.weights.names.write import to_naming

CHANNELS, OUTPUTS = 4, 3
MODES = ("inference", "training")


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        feature_size: Channels of the first map.
        sizes: Sides of the patches in cells.
        batch: Patches of a step.
        threads: Threads of PyTorch.
        rounds: Measured steps of each side.
        warmup: Steps before them.
        device: Where to compute.
    """

    feature_size: int
    sizes: Sequence[int]
    batch: int
    threads: int
    rounds: int
    warmup: int
    device: str


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
        self.device = torch.device(settings.device)
        ours = Network(settings.feature_size)
        options: dict[str, Any] = {"use_flash_attention": True} if flash else {}
        theirs = SwinUNETR(CHANNELS, OUTPUTS, feature_size=settings.feature_size, **options)
        theirs.load_state_dict(to_naming(ours, "official"))
        self.sides: list[nn.Module] = [side.to(self.device) for side in (ours, theirs)]
        shape = (settings.batch, CHANNELS, *(size,) * 3)
        self.volumes = torch.randn(shape).to(self.device)

    def step(self, mode: str, side: int) -> Tensor | None:
        """A forward pass without gradients, whose logits are returned, or a training step."""
        model = self.sides[side].train(mode == "training")
        if mode == "inference":
            # MONAI chooses its attention by whether gradients are recorded.
            with torch.inference_mode():
                return model(self.volumes)
        model.zero_grad(set_to_none=True)
        model(self.volumes).square().mean().backward()
        return None


def measure_volumes(settings: Settings) -> None:
    """Print time and memory of both sides, for each size and mode."""
    print_head()
    for size in settings.sizes:
        shape = " x ".join(str(n) for n in (settings.batch, size, size, size))
        print(f"feature size {settings.feature_size}, {shape}")
        both = Benchmark(settings, size)
        print(f"largest difference of logits, as a share of the largest: {_difference(both):.1e}")
        for mode in MODES:
            _compare(both, settings, mode, mode)
            if both.device.type == "cuda":
                peaks = [peak_allocated(partial(both.step, mode, side)) for side in (0, 1)]
            else:
                arguments = (settings, size, mode)
                peaks = [in_fresh_process(_growth, *arguments, side) for side in (0, 1)]
            print_row(f"{mode}, peak MiB", peaks)
        del both
        flash = Benchmark(settings, size, flash=True)
        _compare(flash, settings, "inference", "inference, theirs with flash attention")


def _compare(both: Benchmark, settings: Settings, mode: str, label: str) -> None:
    times = wall_times(
        [partial(both.step, mode, side) for side in (0, 1)],
        both.device,
        rounds=settings.rounds,
        warmup=settings.warmup,
    )
    print_compared(f"{label}, ms", *times)


def _difference(both: Benchmark) -> float:
    ours, theirs = (both.step("inference", side) for side in (0, 1))
    assert ours is not None, "inference returns logits"
    assert theirs is not None, "inference returns logits"
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _growth(settings: Settings, size: int, mode: str, side: int) -> float:
    """MiB by which one step makes a new process grow."""
    return peak_growth(partial(Benchmark(settings, size).step, mode, side))
