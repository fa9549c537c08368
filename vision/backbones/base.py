"""The contract that every backbone keeps: an image batch in, a pyramid of feature maps out."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypedDict

from torch import Tensor, nn

from vision.backbones.encoder import Encoder
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError
from vision.keywords import FullSignature

MIN_SIDE = 32


class OutputOptions(TypedDict, total=False):
    """Keywords that every backbone passes on to `Backbone`."""

    in_channels: int
    out_indices: Sequence[int] | None
    out_norm: bool
    dense: bool
    default_input: InputSpec | None


class BackboneOptions(OutputOptions, total=False):
    """The same, with one stochastic-depth rate for the whole network."""

    drop_path_rate: float


class Backbone(Encoder):
    """Base of all backbones: encoders of images.

    A backbone accepts normalised float images of any size from 32 x 32 up, odd and non-square
    included, and has two outputs: `forward` gives the pyramid of the authors' dense-prediction
    variant, `embed` the vector that the authors' classifier feeds to its last linear layer.

    A constructor calls this one, then `choose_outputs`, builds its layers, and ends with
    `set_outputs`.

    Args:
        in_channels: Number of image channels.
        drop_path_rate: Stochastic-depth rate of the last block; earlier ones rise linearly from 0.
        out_indices: Levels (stages, or blocks of a single-stride network) whose maps `forward`
            returns, ascending; negative ones count from the end. None returns all maps, or the last
            one of a single-stride network.
        out_norm: Whether to normalise each map as the published dense-prediction variant does, or
            by a layer norm where there is none.
        dense: Whether to build for dense prediction only: with the output norms, and without the
            parameters that only `embed` uses.
        default_input: What the published weights expect of an image; None is an `InputSpec` with
            its defaults.

    Attributes:
        feature_specs: Channels and stride of each map that `forward` returns, finest first.
        embed_dim: Width of the vector that `embed` returns.
        default_input: What the published weights expect of an image.
        dense: Whether the parameters that only `embed` uses were left out.
        in_channels: Number of image channels.
        out_indices: The levels whose maps `forward` returns.
        input_conv: Name of the convolution weight `(C_out, C_in, kH, kW)` that reads the image.
    """

    __signature__ = FullSignature()
    input_conv: str | None = None
    feature_specs: tuple[FeatureSpec, ...]

    def __init__(
        self,
        *,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        out_indices: Sequence[int] | None = None,
        out_norm: bool = False,
        dense: bool = False,
        default_input: InputSpec | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self._drop_path_rate = drop_path_rate
        self.dense = dense
        self.default_input = default_input or InputSpec()
        self._asked, self._norms_asked = out_indices, out_norm or dense
        self.out_indices: list[int] = []
        self.out_norms = nn.ModuleDict()
        self.embed_dim = 0

    def choose_outputs(
        self, depth: int, *, what: str = "stages", default: Sequence[int] | None = None
    ) -> int:
        """Resolve `out_indices`; called once by each constructor, before it builds its layers.

        Args:
            depth: Number of levels of the network.
            what: What a level is called in the error, such as "blocks".
            default: The levels where `out_indices` is None; None uses all.

        Returns:
            Number of levels to build: a dense backbone ends with the last one that it returns.

        Raises:
            ConfigError: The choice is not one of the levels, each once, in ascending order.
        """
        asked = default if self._asked is None else self._asked
        self.out_indices = check_out_indices(asked, depth, what=what)
        return self.out_indices[-1] + 1 if self.dense else depth

    def set_outputs(
        self, specs: Sequence[FeatureSpec], make_norm: Callable[[int], nn.Module] | None
    ) -> None:
        """Describe the maps that `forward` returns and build their norms; ends each constructor.

        Args:
            specs: Feature spec of every level.
            make_norm: Builds the output norm of a map `(B, C, H, W)` from C, if `out_norm`; None
                where the network has none.
        """
        self.feature_specs = tuple(specs[i] for i in self.out_indices)
        if make_norm is not None and self._norms_asked:
            norms = {str(i): make_norm(specs[i].channels) for i in self.out_indices}
            self.out_norms.update(norms)

    def keep_outputs(self, kept: Sequence[int]) -> None:
        """Return fewer maps from now on; the norms of the others are dropped.

        Args:
            kept: Positions in `feature_specs`, ascending; the last map is among them: layers after
                the last one kept would run for nothing.

        Raises:
            ConfigError: A position is out of range, or the last map is not kept.
        """
        chosen = check_out_indices(kept, len(self.feature_specs), what="maps")
        if chosen[-1] != len(self.feature_specs) - 1:
            raise ConfigError(
                f"maps {chosen} of {len(self.feature_specs)} leave out the last one. Build the "
                "backbone with out_indices that end earlier."
            )
        self.out_indices = [self.out_indices[i] for i in chosen]
        self.feature_specs = tuple(self.feature_specs[i] for i in chosen)
        for name in [name for name in self.out_norms if int(name) not in self.out_indices]:
            del self.out_norms[name]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the feature pyramid of the dense-prediction variant.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.

        Returns:
            One map `(B, spec.channels, ~H / spec.stride, ~W / spec.stride)` per entry of
            `feature_specs`, finest first, rounded as the authors' code rounds.
        """
        self.check_images(images)
        maps = self.forward_stages(images, self.out_indices[-1] + 1)
        outputs = []
        for i in self.out_indices:
            norm = self.out_norms[str(i)] if len(self.out_norms) else None
            outputs.append(maps[i] if norm is None else norm(maps[i]))
        return outputs

    @abstractmethod
    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Compute the raw output of the first `count` levels, before down-sampling and any norm.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.
            count: Number of levels (stages, or blocks of a single-stride network) to run.
            classifier: Follow the authors' classifier where it differs from their
                dense-prediction variant with the same weights.

        Returns:
            `count` maps `(B, C, ~H / stride, ~W / stride)`.
        """

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Compute the vector that the authors' classifier feeds to its last linear layer.

        Args:
            images: `(B, C_in, H, W)` float, normalised with `default_input`.

        Returns:
            `(B, embed_dim)`.

        Raises:
            ConfigError: The backbone was built with `dense=True`.
        """

    def check_images(self, images: Tensor) -> None:
        """Raise a `ConfigError` for images that are too small or of the wrong rank."""
        if images.ndim != 4 or images.shape[-2] < MIN_SIDE or images.shape[-1] < MIN_SIDE:
            raise ConfigError(
                f"{type(self).__name__} accepts images (B, C, H, W) with H, W >= {MIN_SIDE}; "
                f"got {tuple(images.shape)}. Resize or pad them."
            )

    def check_can_embed(self) -> None:
        """Raise a `ConfigError` if the parameters that `embed` needs were left out."""
        if self.dense:
            raise ConfigError(
                f"this {type(self).__name__} was built with dense=True, which leaves out the "
                "parameters that embed() needs. Build it with dense=False."
            )


def check_out_indices(out_indices: Sequence[int] | None, depth: int, *, what: str) -> list[int]:
    """Resolve the choice of output levels.

    Args:
        out_indices: Chosen levels, ascending; negative ones count from the end; None chooses all.
        depth: Number of levels there are.
        what: What a level is called in the error, "stages" or "blocks".

    Returns:
        Ascending indices in [0, depth).

    Raises:
        ConfigError: An index is out of range, repeated or out of order, or none is given.
    """
    if out_indices is None:
        return list(range(depth))
    resolved = [i + depth if i < 0 else i for i in out_indices]
    in_range = all(0 <= i < depth for i in resolved)
    if not resolved or not in_range or resolved != sorted(set(resolved)):
        raise ConfigError(
            f"out_indices={list(out_indices)} must name some of the {depth} {what} "
            f"0..{depth - 1}, each once, in ascending order."
        )
    return resolved


def stage_levels(
    stages: nn.ModuleList, *, stem: Sequence[str], entry: str, offset: int = 0
) -> list[list[str]]:
    """`Backbone.block_prefixes` of a backbone whose child `stages` holds lists of blocks.

    Args:
        stages: The lists of blocks.
        stem: Prefixes of the first level.
        entry: Name of the layer before a stage, with `{}` for its number; it goes with the stage's
            first block. For the first stage it belongs to the stem.
        offset: Added to the number of the stage in `entry`.

    Returns:
        The stem's level, then one level per block.
    """
    levels = [list(stem)]
    for i, blocks in enumerate(stages):
        for j, _ in enumerate(blocks.children()):
            before = [entry.format(i + offset)] if i > 0 and j == 0 else []
            levels.append([*before, f"stages.{i}.{j}"])
    return levels
