"""Windows over a volume, against MONAI's inferer, mirror images by hand, and a bound on memory."""

from collections.abc import Callable

import pytest
import torch
from helpers.peak import peak_bytes
from helpers.refusals import refuses
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.ops.sliding_windows import VolumeInference, slide

SIDES = st.tuples(*[st.integers(3, 17)] * 3)


def make_network(channels: int = 2, outputs: int = 3) -> nn.Module:
    """A network whose output depends on where the borders of its window are."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(channels, 4, 3, padding=1), nn.Tanh(), nn.Conv3d(4, outputs, 3, padding=1)
    ).eval()


@torch.no_grad()
@settings(max_examples=25, deadline=None)
@given(
    size=SIDES,
    window=SIDES,
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.9]),
    weighting=st.sampled_from(["constant", "gaussian"]),
    batch=st.integers(1, 5),
)
def test_equal_to_monai(
    size: tuple[int, int, int],
    window: tuple[int, int, int],
    overlap: float,
    weighting: str,
    batch: int,
) -> None:
    from monai.inferers import sliding_window_inference

    network = make_network()
    volume = torch.randn(2, *size, generator=torch.Generator().manual_seed(1))
    expected = sliding_window_inference(
        volume[None], window, batch, network, overlap=overlap, mode=weighting
    )[0]
    options = VolumeInference(window, overlap, weighting, batch)  # type: ignore[arg-type]
    found = slide(network, volume, options)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    # What is kept of the strips is what would be made of the whole.
    half = slide(network, volume, options, finish=lambda logits: logits.sigmoid().half())
    torch.testing.assert_close(half, expected.sigmoid().half(), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_mirrored_windows_are_averaged() -> None:
    network, volume = make_network(), torch.randn(2, 8, 6, 7)
    options = VolumeInference((8, 6, 7), mirror=[0, 2])
    expected = torch.stack(
        [
            network(volume[None].flip(axes)).flip(axes)[0] if axes else network(volume[None])[0]
            for axes in ([], [2], [4], [2, 4])
        ]
    ).mean(0)
    torch.testing.assert_close(slide(network, volume, options), expected)
    # A volume of several windows mirrors with its windows where they are laid out evenly.
    several = VolumeInference((4, 3, 7), mirror=[0, 1, 2])
    mirrored = slide(network, volume.flip(1, 2, 3), several).flip(1, 2, 3)
    torch.testing.assert_close(slide(network, volume, several), mirrored)


def doubled(windows: Tensor) -> Tensor:
    """A network without activations of its own: eight outputs."""
    return windows.expand(-1, 8, -1, -1, -1)


@torch.no_grad()
@pytest.mark.parametrize("weighting", ["constant", "gaussian"])
def test_memory_is_that_of_a_strip_and_of_what_is_kept(weighting: str) -> None:
    volume = torch.randn(1, 96, 16, 16)
    options = VolumeInference((8, 8, 8), weighting=weighting)  # type: ignore[arg-type]

    def run(finish: Callable[[Tensor], Tensor] | None) -> int:
        return peak_bytes(lambda: slide(doubled, volume, options, finish=finish))

    cells = 96 * 16 * 16
    strip = 8 * 16 * 16 * (8 + 1) * 4  # outputs and weights in float32
    kept = cells * 8  # one byte per output
    assert run(lambda logits: logits > 0) <= 2 * kept + 2 * strip + 2**16
    assert run(None) >= 4 * kept, "the measure sees the logits of the whole"


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"window": (0, 8, 8)}, ["inference.window", "1"]),
        ({"window": (8, 8)}, ["inference.window", "3 numbers"]),
        ({"window": (1024, 1024, 1024)}, ["inference.window", "1,073,741,824 cells, more than"]),
        ({"overlap": 1.0}, ["inference.overlap=1.0", "below 1"]),
        ({"weighting": "gausian"}, ["inference.weighting='gausian'", "gaussian"]),
        ({"batch": 0}, ["inference.batch=0"]),
        ({"mirror": [3]}, ["inference.mirror=[3]", "0, 1 or 2"]),
        ({"mirror": [1, 1]}, ["inference.mirror=[1, 1]", "at most once"]),
    ],
)
def test_options_out_of_range_are_refused(values: dict, parts: list[str]) -> None:
    with refuses(ConfigError, *parts):
        VolumeInference(**values)
