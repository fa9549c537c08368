"""Swin3D on a room: time and peak memory of the forward pass and of a training step.

The room is of surfaces: floor, ceiling, walls, and boxes that stand in it, one point for each voxel
of 4 cm that is touched. The attention is also measured beside the plain form, which gathers the
table's vectors for all pairs of voxels: a tensor of pairs times channels.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vision.backbones.registry import create_backbone
from vision.backbones.swin3d import Swin3D
from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.memory import peaks
from vision.benchmarks.results import Table
from vision.contracts.points import VoxelMap
from vision.heads.points.swin3d import Swin3DHead
from vision.layers.voxel_block import VoxelBlock
from vision.ops.voxel_windows import EncodedWindows
from vision.ops.voxels import group_cells, reduce_cells, voxel_coords

CLASSES = 13
MODES = ("inference", "training")
# Of the largest value, in float32.
TOLERANCE = 1e-3
# Metres.
VOXEL, NOISE = 0.04, 0.005
POINTS_PER_VOXEL = 3


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        names: Encoders.
        voxels: Voxels of the room.
        attention: Voxels of the room in which the two forms of the attention are compared; 0 for
            no comparison.
    """

    names: Sequence[str]
    voxels: int
    attention: int


class Room(NamedTuple):
    """A packed batch of one room.

    Attributes:
        coords: float `(V, 3)` in voxels.
        counts: int64 `(1,)`.
        colors: float `(V, 3)` in -1..1.
    """

    coords: Tensor
    counts: Tensor
    colors: Tensor


def make_room(voxels: int, *, seed: int = 0) -> Room:
    """A room with about as many boxes as rooms have furniture, cut to a number of voxels.

    Args:
        voxels: How many of the voxels nearest to a corner of the floor are kept.
        seed: Decides about points, boxes and colours.
    """
    rng = torch.Generator().manual_seed(seed)
    area = voxels * VOXEL**2
    # As wide as two thirds of its length and 3 m high, with more surface than is needed.
    length = (area / 2) ** 0.5 + 1
    size = torch.tensor([length, length * 2 / 3, 3.0])
    boxes = [(torch.zeros(3), size)]
    for _ in range(max(1, int(length * length / 3))):
        side = torch.rand(3, generator=rng) * 0.8 + 0.3
        corner = torch.rand(3, generator=rng) * (size - side) * torch.tensor([1.0, 1.0, 0.0])
        boxes.append((corner, side))
    parts = [_surface(corner, side, rng) for corner, side in boxes]
    points = torch.cat([part for part, _ in parts])
    points += torch.randn(points.shape, generator=rng) * NOISE
    colors = torch.cat([color for _, color in parts])
    cells = group_cells(voxel_coords(points, VOXEL, points.amin(0).tolist()))
    place = (reduce_cells(points, cells, "first") - points.amin(0)) / VOXEL
    colors = reduce_cells(colors, cells, "first")
    kept = place.square().sum(1).argsort()[:voxels].sort().values
    return Room(place[kept], torch.tensor([len(kept)]), colors[kept])


def _surface(corner: Tensor, side: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points on the faces of a box, and their colours: one a face, with noise."""
    points, colors = [], []
    for axis, end in itertools.product(range(3), (0, 1)):
        others = [i for i in range(3) if i != axis]
        count = int(side[others].prod() / VOXEL**2 * POINTS_PER_VOXEL)
        face = torch.rand(count, 3, generator=rng)
        face[:, axis] = end
        points.append(corner + face * side)
        color = torch.rand(3, generator=rng) * 1.6 - 0.8
        colors.append(color + torch.randn(count, 3, generator=rng) * 0.05)
    return torch.cat(points), torch.cat(colors).clamp(-1, 1)


class Network(nn.Module):
    """Encoder and decoder, as they are published for S3DIS."""

    def __init__(self, name: str) -> None:
        super().__init__()
        backbone: Any = create_backbone(name)
        assert isinstance(backbone, Swin3D), "only these are measured"
        self.backbone = backbone
        self.head = Swin3DHead(
            backbone.feature_specs,
            num_classes=CLASSES,
            num_heads=backbone.num_heads,
            window_sizes=backbone.window_sizes,
            quant_size=backbone.quant_size,
            encoding=backbone.encoding,
        )

    def forward(self, room: Room) -> Tensor:
        """Logits `(V, K)`."""
        return self.head(self.backbone(*room))


class Benchmark:
    """A network and a room.

    Args:
        settings: What is measured.
        name: The encoder.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(0)
        self.settings = settings
        self.network = Network(name).to(settings.place)
        self.room = Room(*(x.to(settings.place) for x in make_room(settings.voxels)))

    def step(self, mode: str) -> None:
        """A forward pass without gradients, or a training step without its optimiser."""
        self.network.train(mode == "training")
        if mode == "inference":
            with torch.inference_mode(), self.settings.autocast():
                self.network(self.room)
            return
        self.network.zero_grad(set_to_none=True)
        with self.settings.autocast():
            loss = self.network(self.room).square().mean()
        loss.backward()


def plain_attention(block: VoxelBlock, x: Tensor, windows: EncodedWindows) -> Tensor:
    """The attention of a block with the vectors of the tables gathered for every pair.

    Args:
        block: The block.
        x: float `(N, C)`.
        windows: Its windows.

    Returns:
        `(N, C)`, what `block.attn` returns.
    """
    attn = block.attn
    heads = attn.num_heads
    qkv = attn.qkv(x)[windows.order].unflatten(1, (3, heads, -1))
    query, key, value = qkv.unbind(1)  # (N, H, D)
    query = query * query.shape[-1] ** -0.5
    of_query, of_key, of_value = attn.joined_tables()  # (R, H, D)
    found = torch.empty_like(query)
    for part in windows.parts:
        windows_in, places = part.slots.shape
        rows = part.rows.long().view(windows_in, places, places, -1)
        q, k, v = (side[part.start : part.stop][part.slots] for side in (query, key, value))
        scores = torch.einsum("wihd,wjhd->wijh", q, k)
        scores = scores + (of_query[rows].sum(3) * q[:, :, None]).sum(-1)
        scores = scores + (of_key[rows].sum(3) * k[:, None]).sum(-1)
        if part.filled is not None:
            scores = scores.masked_fill(~part.filled[:, None, :, None], -torch.inf)
        weights = scores.softmax(dim=2)
        mixed = (weights[..., None] * (v[:, None] + of_value[rows].sum(3))).sum(2)
        flat = mixed.flatten(0, 1) if part.filled is None else mixed[part.filled]
        found[part.start : part.stop] = flat
    return attn.proj(found.flatten(1)[windows.place])


class Attention:
    """The first block of an encoder in a room, to compare both forms of its attention.

    Args:
        settings: What is measured.
    """

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(0)
        self.settings = settings
        backbone: Any = create_backbone(settings.names[0])
        self.block: VoxelBlock = backbone.stages[0][0].to(settings.place)
        room = Room(*(x.to(settings.place) for x in make_room(settings.attention)))
        voxels: VoxelMap = backbone.voxels_of(*room)
        self.windows = self.block.windows(voxels)
        self.x = torch.randn(len(voxels.coords), backbone.feature_specs[0].channels)
        self.x = self.x.to(settings.place)

    def run(self, side: int) -> Tensor:
        """What the attention returns: ours 0, the plain form 1."""
        if side == 0:
            return self.block.attn(self.x, self.windows)
        return plain_attention(self.block, self.x, self.windows)

    def step(self, mode: str, side: int) -> None:
        """A forward pass without gradients, or one with a backward pass."""
        if mode == "inference":
            with torch.inference_mode(), self.settings.autocast():
                self.run(side)
            return
        self.block.zero_grad(set_to_none=True)
        with self.settings.autocast():
            loss = self.run(side).square().mean()
        loss.backward()

    def compare(self) -> float:
        """The largest difference of both forms.

        Raises:
            UnequalSidesError: They differ by more than rounding.
        """
        with torch.inference_mode():
            found = [self.run(side) for side in (0, 1)]
        return check_equal(*found, tolerance=TOLERANCE, what="attention and its plain form")


def measure_points(settings: Settings) -> Table:
    """Measure each encoder, and both forms of the attention.

    Raises:
        UnequalSidesError: The two forms of the attention differ.
    """
    measured = begin("Points of rooms", settings)
    for name in settings.names:
        one = Benchmark(settings, name)
        label = f"{name}, {len(one.room.coords):,} voxels"
        for mode in MODES:
            _add(measured, f"{label}, {mode}", settings, one.network, [partial(one.step, mode)])
        del one
    if settings.attention:
        both = Attention(settings)
        difference = both.compare()
        pairs = sum(part.slots.numel() * part.slots.shape[1] for part in both.windows.parts)
        for mode in MODES:
            label = f"attention of {len(both.x):,} voxels, {pairs:,} pairs, {mode}"
            steps = [partial(both.step, mode, side) for side in (0, 1)]
            _add(measured, label, settings, both.block, steps, difference)
    return measured.table()


def _add(
    measured: Measurement,
    label: str,
    settings: Settings,
    module: nn.Module,
    steps: Sequence[Callable[[], None]],
    difference: float | None = None,
) -> None:
    """Add rows of times and memory of steps of a module; theirs is the plain form."""
    peer = "plain form" if len(steps) > 1 else ""
    measured.compare(
        label,
        *steps,
        rounds=settings.rounds,
        warmup=settings.warmup,
        peer=peer,
        of="step",
        difference=difference,
    )
    found = peaks(steps, settings.place, clear=module.zero_grad)
    measured.add_counts(f"{label}, peak", "MiB", found, peer)
