"""FlatFormer: an encoder of lidar pillars that attends in groups of equal size.

"FlatFormer: Flattened Window Attention for Efficient Point Cloud Transformer", Liu et al., 2023,
https://arxiv.org/abs/2301.08739; code: mit-han-lab/flatformer (Apache-2.0 in its `setup.py`).
Deviations: samples never mix, where the key of the authors mixes those of a small grid, and a
sample with fewer pillars than a group is one shorter group, where their code fails.

Letters: N pillars, B samples, C channels, S groups of all samples, G places of one group.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vision.backbones.encoder import Encoder
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError, shown
from vision.layers.post_norm_block import PostNormBlock
from vision.ops.pillar_orders import cut_groups, window_order
from vision.ops.tracing import is_traced
from vision.options import Range, check_ranges

Activation = Literal["gelu", "relu"]
ShortGroup = Literal["copy", "mask"]
ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
# Axis and shift of the order of each layer of a block.
ORDERS = (("x", False), ("x", True), ("y", False), ("y", True))
# Of groups that a CPU computes at once.
MAX_PLACES = 8192
# Half a turn, as the authors write it.
HALF_TURN = 3.1415


class Plan(NamedTuple):
    """What all blocks share.

    Attributes:
        taken: int64 `(S, G)` the pillar in each place of the groups, for each entry of `ORDERS`.
        places: int64 `(N,)` the place of each pillar, likewise.
        positions: float `(N, C)` code of the place of each pillar.
        bias: float `(S, 1, 1, G)`, minus infinity at places that are not seen; None if all
            are.
    """

    taken: list[Tensor]
    places: list[Tensor]
    positions: Tensor
    bias: Tensor | None


class GroupLayer(PostNormBlock):
    """Attention among the pillars of each group, and a feed-forward network.

    Args:
        dim: Channels C.
        num_heads: Heads of the attention.
        activation: Of the feed-forward network, which is twice as wide.
    """

    def __init__(self, dim: int, *, num_heads: int, activation: Activation) -> None:
        act_layer = ACTIVATIONS[activation]
        super().__init__(
            dim, num_heads=num_heads, hidden_dim=2 * dim, act_layer=act_layer, dropout=0.0
        )

    def forward(self, x: Tensor, positions: Tensor, bias: Tensor | None) -> Tensor:
        """Map `(S, G, C)` to the same shape; the rest is as in `attend`."""
        return self.attend(x, positions, bias)


class FlatFormerBlock(nn.Module):
    """Four layers, each over groups of another order.

    Args:
        dim: Channels C.
        num_heads: Heads of the attention.
        activation: Of the feed-forward networks.
    """

    def __init__(self, dim: int, *, num_heads: int, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GroupLayer(dim, num_heads=num_heads, activation=activation) for _ in ORDERS
        )

    def forward(self, x: Tensor, plan: Plan) -> Tensor:
        """Map features `(N, C)` of pillars to the same shape."""
        for layer, taken, place in zip(self.layers, plan.taken, plan.places, strict=True):
            grouped = self._attend(layer, x, taken, plan)  # (S, G, C)
            x = grouped.flatten(0, 1)[place]
        return x

    def _attend(self, layer: nn.Module, x: Tensor, taken: Tensor, plan: Plan) -> Tensor:
        """Run a layer on the pillars `taken` `(S, G)`.

        Groups do not see each other: on a CPU some at a time are faster, since caches hold them.
        """
        if x.device.type != "cpu" or is_traced():
            whole: Tensor = layer(x[taken], plan.positions[taken], plan.bias)
            return whole
        step = max(1, MAX_PLACES // taken.shape[1])
        parts = taken.split(step)
        biases = [None] * len(parts) if plan.bias is None else plan.bias.split(step)
        found = [
            layer(x[part], plan.positions[part], bias)
            for part, bias in zip(parts, biases, strict=True)
        ]
        return torch.cat(found)


class FlatFormer(Encoder):
    """Encoder of pillars: the cells of a grid on the ground that hold points.

    In each layer the pillars of a sweep are sorted along windows, and cut into groups of equal
    size, among which they attend; time and memory grow linearly with the number of pillars.

    Args:
        dim: Channels C of the pillars, of the input as of the output.
        num_heads: Heads of the attention.
        num_blocks: Blocks of four layers.
        activation: Of the feed-forward networks: "gelu" or "relu".
        window_shape: Cells of a window along x and y; a third number, the cells along z, is 1.
        group_size: Places of a group.
        short_group: What the last group of a sweep is filled up with: "copy", as published, the
            pillars at the same places of the group before; "mask", nothing.
        pos_temperature: Base of the wavelengths of the code of places.
        normalize_pos: Whether that code counts parts of the grid instead of cells.
        sparse_shape: Cells of the grid along x, y and z; only `normalize_pos` needs it.

    Attributes:
        dense: Always True: there is no classifier, and so no parameter that only it uses.

    Raises:
        ConfigError: An option is out of its range or does not fit another.
    """

    family = "flatformer"
    input_conv: str | None = None
    dense = True
    feature_specs: tuple[FeatureSpec, ...]

    def __init__(
        self,
        *,
        dim: int = 128,
        num_heads: int = 8,
        num_blocks: int = 2,
        activation: Activation = "gelu",
        window_shape: Sequence[int] = (13, 13, 1),
        group_size: int = 144,
        short_group: ShortGroup = "copy",
        pos_temperature: float = 10000.0,
        normalize_pos: bool = False,
        sparse_shape: Sequence[int] = (468, 468, 1),
    ) -> None:
        super().__init__()
        ranges: dict[str, Range | tuple[Any, ...]] = {
            "dim": Range(minimum=4),
            "num_blocks": Range(minimum=1),
            "activation": tuple(ACTIVATIONS),
            "group_size": Range(minimum=1, unit="pillars"),
            "short_group": ("copy", "mask"),
            "pos_temperature": Range(above=0),
            "sparse_shape": Range(minimum=1, length=3, unit="cells"),
        }
        check_ranges(locals(), ranges)
        self.window = _window(window_shape)
        self.group_size, self.short_group = group_size, short_group
        self.pos_temperature, self.normalize_pos = pos_temperature, normalize_pos
        self.sparse_shape = tuple(sparse_shape)
        self.in_channels = self.embed_dim = dim
        self.blocks = nn.ModuleList(
            FlatFormerBlock(dim, num_heads=num_heads, activation=activation)
            for _ in range(num_blocks)
        )
        self.feature_specs = (FeatureSpec(dim, 1),)
        self.reset_parameters()

    def forward(self, features: Tensor, coords: Tensor, counts: Tensor | None = None) -> Tensor:
        """Let the pillars of each sample look at each other.

        Args:
            features: float `(N, C)`.
            coords: int64 `(N, 4)` sample, z, y, x of each pillar, from 0; sorted by sample.
            counts: int64 `(B,)` pillars of each sample; None counts them. A model that is exported
                needs them, since their number follows from values.

        Returns:
            float `(N, C)`.

        Raises:
            ConfigError: The features have another width, or the places another form.
        """
        self.check_pillars(features, coords)
        if features.shape[0] == 0:
            return features
        plan = self.plan(features, coords.long(), counts)
        for block in self.blocks:
            features = self.run_block(block, features, plan)
        return features

    def check_pillars(self, features: Tensor, coords: Tensor) -> None:
        """Raise a `ConfigError` for pillars of another form."""
        if features.ndim != 2 or features.shape[1] != self.in_channels:
            raise ConfigError(
                f"this {type(self).__name__} accepts features (N, {self.in_channels}) of pillars; "
                f"got {tuple(features.shape)}."
            )
        if coords.ndim != 2 or coords.shape[0] != features.shape[0] or coords.shape[1] != 4:
            raise ConfigError(
                f"this {type(self).__name__} accepts coords (N, 4), sample, z, y, x of each "
                f"pillar; got {tuple(coords.shape)} for {features.shape[0]} pillars."
            )

    def plan(self, features: Tensor, coords: Tensor, counts: Tensor | None = None) -> Plan:
        """Sort the pillars `coords` `(N, 4)` in each way, and cut the lists into groups."""
        counts = torch.bincount(coords[:, 0]) if counts is None else counts
        copies = self.short_group == "copy"
        groups = cut_groups(counts, features.shape[0], self.group_size, copies=copies)
        orders = [
            window_order(coords, self.window, axis=axis, shifted=shifted)
            for axis, shifted in ORDERS
        ]
        taken = [order[groups.rank_of] for order in orders]
        # The pillar at rank r of an order has the place of that rank.
        places = [torch.empty_like(order).scatter(0, order, groups.place_of) for order in orders]
        bias = None
        if groups.seen is not None:
            bias = torch.zeros_like(groups.seen, dtype=features.dtype)
            bias = bias.masked_fill(~groups.seen, -torch.inf)[:, None, None]
        return Plan(taken, places, self.positions(coords).to(features.dtype), bias)

    def positions(self, coords: Tensor) -> Tensor:
        """Codes of the places of pillars.

        The first half of the channels is for x, the second for y: sines and cosines in turns, of
        falling frequencies. A rest of the channels is zero.

        Args:
            coords: int64 `(N, 4)` sample, z, y, x.

        Returns:
            float32 `(N, C)`.
        """
        length = self.in_channels // 4 * 2
        pair = torch.arange(length // 2, device=coords.device, dtype=torch.float32)
        period = self.pos_temperature ** (2 * pair / length)
        parts = []
        for column, cells in ((3, self.sparse_shape[0]), (2, self.sparse_shape[1])):
            place = coords[:, column].float()
            if self.normalize_pos:
                place = place / cells * 2 * HALF_TURN
            angle = place[:, None] / period
            parts.append(torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))
        rest = angle.new_zeros(coords.shape[0], self.in_channels - 2 * length)
        return torch.cat([*parts, rest], dim=1)

    def reset_parameters(self) -> None:
        """Initialise as published: every matrix by Xavier's range, other parameters as usual."""
        for module in self.modules():
            if isinstance(module, GroupLayer):
                module.reset_parameters()
                for parameter in module.parameters():
                    if parameter.ndim > 1:
                        nn.init.xavier_uniform_(parameter)

    def block_prefixes(self) -> list[list[str]]:
        """Each layer of each block; there is no stem."""
        return [
            [f"blocks.{i}.layers.{j}"] for i in range(len(self.blocks)) for j in range(len(ORDERS))
        ]


def _window(shape: Sequence[int]) -> tuple[int, int]:
    """Sides along x and y."""
    flat = len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)
    if not flat or min(shape) < 1:
        raise ConfigError(
            f"window_shape={shown(list(shape))} must be the cells of a window along x and y, each "
            "1 or more, and perhaps a 1 for those along z: pillars are one cell high."
        )
    return int(shape[0]), int(shape[1])


# Of the configs for Waymo in the authors' code: pillars of 0.32 m on a grid of 468 x 468 cells.
VARIANTS: dict[str, dict[str, Any]] = {"128": {"dim": 128}}
