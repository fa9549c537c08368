"""Names of backbones and other encoders: list them, and build one from its name."""

import difflib
import importlib
import inspect
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from vision.backbones.base import Backbone
from vision.contracts.features import Input
from vision.errors import ConfigError, suggest
from vision.options import building, check_design


class Family(NamedTuple):
    """An architecture.

    Attributes:
        path: Module and class. The module holds its VARIANTS; it is imported on first use.
        input: What it encodes.
    """

    path: str
    input: Input = "image"


FAMILIES = {
    "convnext": Family("vision.backbones.convnext:ConvNeXt"),
    "cswin": Family("vision.backbones.cswin:CSWin"),
    "cvt": Family("vision.backbones.cvt:CvT"),
    "flatformer": Family("vision.backbones.flatformer:FlatFormer", "points"),
    "hornet": Family("vision.backbones.hornet:HorNet"),
    "rmt": Family("vision.backbones.rmt:RMT"),
    "swin": Family("vision.backbones.swin:Swin"),
    "swin3d": Family("vision.backbones.swin3d:Swin3D", "points"),
    "swin_volume": Family("vision.backbones.swin_volume:SwinVolume", "volume"),
    "tnt": Family("vision.backbones.tnt:TNT"),
}
TIMM_PREFIX = "timm/"
_PLURAL: dict[Input, str] = {"image": "images", "volume": "volumes", "points": "points"}


def list_backbones(pattern: str = "*", *, input: Input = "image") -> list[str]:
    """Names that `create_backbone` accepts, sorted.

    Args:
        pattern: Shell-style pattern, such as `"swin*"`. The models of timm are listed only by a
            pattern that begins with `"timm/"`, since importing timm takes seconds.
        input: What they encode: `"image"`, `"volume"` or `"points"`.

    Returns:
        The names that match; a bare family name is accepted too but is not listed.
    """
    if pattern.startswith(TIMM_PREFIX):
        from vision.backbones.timm import list_timm_models

        return list_timm_models(pattern.removeprefix(TIMM_PREFIX))
    families = families_of(input)
    names = [f"{family}_{variant}" for family in families for variant in _variants(family)]
    return sorted(name for name in names if fnmatchcase(name, pattern))


def families_of(input: Input) -> list[str]:
    """The families that encode images, volumes or points."""
    return [family for family, row in FAMILIES.items() if row.input == input]


def family_of(name: str) -> str:
    """The family of a variant's name: of `"swin_volume_48"` it is `"swin_volume"`.

    Returns:
        The longest family that the name begins with; empty if there is none.
    """
    fitting = [family for family in FAMILIES if f"{name}_".startswith(f"{family}_")]
    return max(fitting, key=len, default="")


def input_of(name: str) -> Input:
    """What a backbone encodes, by its name; images, if no family of ours has the name."""
    family = family_of(name)
    return FAMILIES[family].input if family else "image"


def create_backbone(name: str, *, pretrained: bool | str = False, **overrides: Any) -> Backbone:
    """Build a backbone by name.

    Args:
        name: A variant (`"swin_tiny"`), a bare family (`"swin"`, all sizes from the keywords), or
            `"timm/NAME"` for any timm model.
        pretrained: True loads the published weights; a string names weights of your own: a path,
            `"hf://owner/repo[/file][@revision]"` or an http(s) URL.
        **overrides: Constructor keywords that replace the variant's.

    Returns:
        The backbone, in training mode as every new module. Of a family of volumes it is an
        `Encoder` and has no `embed`.

    Raises:
        ConfigError: The name or a keyword is unknown; the message names the nearest.
        WeightsError: The weights are not available or do not fit.
    """
    if name.startswith(TIMM_PREFIX):
        from vision.backbones.timm import TimmBackbone

        check_options(TimmBackbone, overrides, owner=name)
        with building(f"backbone '{name}'", overrides):
            return TimmBackbone(name.removeprefix(TIMM_PREFIX), pretrained=pretrained, **overrides)
    family, options = _resolve(name)
    builder = _family_class(family)
    check_options(builder, overrides, owner=name)
    check_design(overrides, owner=f"backbone '{name}'")
    with building(f"backbone '{name}'", overrides):
        backbone = builder(**{**options, **overrides})
    if pretrained:
        from vision.weights.pretrained import load_pretrained

        load_pretrained(backbone, name, pretrained)
    return backbone


def check_input(name: str, input: Input, *, owner: str, example: str | None = None) -> None:
    """Refuse a backbone that encodes something else; names that do not exist pass.

    Args:
        name: As in `create_backbone`.
        input: What `owner` accepts.
        owner: The task, for the error.
        example: A backbone that `owner` accepts; None names the first that encodes `input`.

    Raises:
        ConfigError: The backbone encodes something else.
    """
    found = input_of(name)
    if found != input and (family_of(name) or name.startswith(TIMM_PREFIX)):
        call = "list_backbones()" if input == "image" else f'list_backbones(input="{input}")'
        first = example or next(iter(list_backbones(input=input)), "none")
        raise ConfigError(
            f"{owner} accepts {_PLURAL[input]}, and '{name}' encodes {_PLURAL[found]}: choose one "
            f"of vision.{call}, such as '{first}'."
        )


def check_options(builder: type, options: dict[str, Any], *, owner: str) -> None:
    """Raise a `ConfigError` for a keyword that the constructor `builder` does not have."""
    accepted = list(inspect.signature(builder).parameters)
    for key in options:
        if key not in accepted:
            raise ConfigError(
                f"backbone '{owner}' has no option '{key}'.{suggest(key, accepted)}\n"
                f"Options: {', '.join(accepted)}."
            )


def backbone_class(name: str) -> type[Backbone]:
    """The class that `create_backbone` builds a name with; nothing is built.

    Raises:
        ConfigError: The name is unknown; the message names the nearest.
    """
    if name.startswith(TIMM_PREFIX):
        from vision.backbones.timm import TimmBackbone, check_timm_name

        check_timm_name(name.removeprefix(TIMM_PREFIX))
        return TimmBackbone
    return _family_class(_resolve(name)[0])


def variant_options(name: str) -> dict[str, Any]:
    """The constructor keywords of a variant, a copy of its row in the variants table."""
    return dict(_resolve(name)[1])


def _resolve(name: str) -> tuple[str, dict[str, Any]]:
    family = family_of(name)
    variant = name.removeprefix(family).removeprefix("_")
    if family:
        if not variant:
            return family, {}
        variants = _variants(family)
        if variant in variants:
            return family, variants[variant]
    raise ConfigError(
        f"there is no backbone '{name}'.{nearest_backbones(name)}\n"
        "vision.list_backbones() prints all names; 'timm/NAME' builds any timm model."
    )


def nearest_backbones(name: str) -> str:
    """The nearest names, in words that end a message: ours, or timm's where one is nearer."""
    from vision.backbones.timm import has_timm_model

    if has_timm_model(name):
        return f" timm has it: '{TIMM_PREFIX}{name}'."
    inputs: tuple[Input, ...] = ("image", "volume", "points")
    ours = [*(name for one in inputs for name in list_backbones(input=one)), *FAMILIES]
    theirs = list_backbones(f"{TIMM_PREFIX}*")
    bare = [one.removeprefix(TIMM_PREFIX) for one in theirs]
    best = difflib.get_close_matches(name, [*ours, *bare], n=1, cutoff=0.5)
    if best and best[0] not in ours:
        return suggest(f"{TIMM_PREFIX}{name}", theirs)
    return suggest(name, ours)


def _family_class(family: str) -> type[Backbone]:
    module, _, attribute = FAMILIES[family].path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _variants(family: str) -> dict[str, dict[str, Any]]:
    module = FAMILIES[family].path.partition(":")[0]
    return importlib.import_module(module).VARIANTS
