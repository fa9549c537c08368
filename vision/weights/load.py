"""Load weights into a backbone or into a model that has one, and report what happened."""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vision.contracts.features import ClassRows
from vision.errors import ConfigError, WeightsError, suggest
from vision.weights.class_rows import ClassMap, copy_rows, map_classes
from vision.weights.download import fetch
from vision.weights.names import dino, flatformer, kmax, mmdet, mmseg, monodetr
from vision.weights.names.families import family_module, family_naming, to_ours
from vision.weights.prefixes import Branch, without_prefixes
from vision.weights.read import read_weights
from vision.weights.resize import fit_in_channels
from vision.weights.tensors import check_finite
from vision.wording import counted

logger = logging.getLogger(__name__)

# A file that fills less of the backbone than this belongs to another model.
MIN_MATCH = 0.9
HEAD = "head."
# A second head, which helps to train a segmentor.
AUXILIARY = "auxiliary."
HEADS = (HEAD, AUXILIARY)
NECK = "neck."
# What turns points into the features of an encoder of points.
READER = "reader."
BACKBONE = "backbone."
# Prefix of the parameters of mmsegmentation's head within `MMSegHead`.
WRAPPED = HEAD + "head."


class _Whole(NamedTuple):
    """Code whose models have names of their own for backbone and head alike."""

    is_own: Callable[[Collection[str]], bool]
    read: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


_WHOLE = {
    "monodetr": _Whole(monodetr.is_monodetr, monodetr.read),
    "dino": _Whole(dino.is_dino, dino.read),
    "flatformer": _Whole(flatformer.is_flatformer, flatformer.read),
}


@dataclass
class LoadReport:
    """Result of `load_weights`, by parameter or buffer name of the module.

    Attributes:
        naming: Whose key names the source has: ours, official, timm, huggingface, detectron2,
            mmdet, mmseg, kmax, monodetr, dino or flatformer.
        prefix: What was taken off the keys of the source first, such as `"model."`.
        loaded: Names that were filled, the resized ones included.
        resized: Name -> (published shape, own shape) of what was resized.
        reinitialised: Names of parameters of a head that have another shape, as in a classifier
            with another number of classes; initialised randomly.
        mapped: Which classes were carried over by name, or why none could be; empty where each
            class keeps its index.
        missing: Names that the source does not have; they keep their values.
        unexpected: Keys of the source, in our terms, that the module does not have.
    """

    naming: str
    loaded: list[str] = field(default_factory=list)
    resized: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    reinitialised: list[str] = field(default_factory=list)
    mapped: str = ""
    prefix: str = ""
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        taken = f", without '{self.prefix}' before them" if self.prefix else ""
        lines = [f"loaded {counted(len(self.loaded), 'tensors')} ({self.naming} key names{taken})"]
        lines += [self.mapped] if self.mapped else []
        resized = [f"{key} {old} -> {new}" for key, (old, new) in self.resized.items()]
        for title in ("resized", "reinitialised", "missing", "unexpected"):
            names = resized if title == "resized" else getattr(self, title)
            if names:
                more = f" and {len(names) - 6} more" if len(names) > 6 else ""
                lines.append(f"{title} {len(names)}: {', '.join(names[:6])}{more}")
        return "\n".join(lines)


def load_weights(
    module: nn.Module,
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    class_names: Sequence[str] | None = None,
    branch: Branch | None = None,
) -> LoadReport:
    """Load published or own weights into a backbone, or into a model with `backbone` and `head`.

    Key names of ours, the authors, timm, Hugging Face, mmdet, mmsegmentation, kMaX-DeepLab's,
    MonoDETR's, DINO's and FlatFormer's code are recognised. Position tables, position embeddings
    and global filters are resized to the module's sizes, and the first convolution is fitted to its
    image channels. A head with other classes, and an auxiliary one, keeps the rows of classes with
    the same name; if the names are not known and the number of classes differs, the rows of all
    classes are initialised randomly. An auxiliary head of the source is left out if the module has
    none.
    The prefix of a wrapper (`model.`, `net.`, `backbone.`, `encoder.`) is removed where the keys
    fit without it.

    Args:
        module: A `Backbone`, or a module whose `backbone` is one.
        source: A path, `"hf://owner/repo[/file][@revision]"`, an http(s) URL, a state dict, or a
            checkpoint that holds one.
        class_names: Names of the module's classes by index; None uses its `class_names`.
        branch: `"student"` or `"teacher"`, where the source has both networks.

    Returns:
        What was loaded, resized, initialised randomly, missing and unexpected; also logged.

    Raises:
        ConfigError: The module has no backbone.
        WeightsError: The file is unreadable or unsafe, a shape cannot be fitted, a value is
            infinite or not a number, the source has two networks and none is chosen, or it fills
            less than 90 % of the backbone.
    """
    if isinstance(source, str) and "://" in source:
        source = fetch(source)
    weights = read_weights(source, branch=branch)
    backbone, prefix = _backbone_of(module)
    wrapped = any(name.startswith(WRAPPED) for name in module.state_dict())
    taken, naming, ours = _recognise(backbone, weights.state, prefix, wrapped)
    rows = _class_rows(module) if prefix else {}
    own = class_names or getattr(module, "class_names", None)
    classes = map_classes(ours, module.state_dict(), rows, own=own, theirs=weights.class_names)
    report = LoadReport(naming, mapped=classes.text if classes else "", prefix=taken)
    accepted = _fit(module, backbone, prefix, ours, report, classes)
    _check_match(backbone, prefix, accepted)
    where = "the given weights" if isinstance(source, Mapping) else f"weights file '{source}'"
    check_finite(accepted, where)
    sources = classes.sources if classes else None
    on_meta = any(p.is_meta for p in module.parameters())
    if report.reinitialised or sources:
        device = next(iter(accepted.values())).device if on_meta else None
        accepted |= _initialise_heads(module, report.missing, device)
    if classes and sources:
        state = module.state_dict()
        accepted |= {n: copy_rows(ours[n], state[n], rows[n], sources) for n in classes.names}
    module.load_state_dict(accepted, strict=False, assign=on_meta)
    fresh = report.reinitialised or -1 in (sources or [])
    problems = report.missing or report.unexpected or fresh
    logger.log(logging.WARNING if problems else logging.INFO, "%s", report)
    return report


def _backbone_of(module: nn.Module) -> tuple[Any, str]:
    """The backbone of a module, which may be itself, and what the names of its tensors begin with.

    Raises:
        ConfigError: There is none.
    """
    backbone: Any = getattr(module, "backbone", module)
    if not hasattr(backbone, "family"):
        raise ConfigError(
            f"load_weights accepts a Backbone or a model whose .backbone is one; got a "
            f"{type(module).__name__}."
        )
    return backbone, "" if backbone is module else BACKBONE


def _recognise(
    backbone: Any, state: dict[str, Tensor], prefix: str, wrapped: bool
) -> tuple[str, str, dict[str, Tensor]]:
    """The prefix removed from the keys, their naming, and the tensors under the module's names."""
    wanted = [prefix + name for name in _needed(backbone)]
    best: tuple[str, str, dict[str, Tensor]] | None = None
    maximum = -1
    for taken, tensors in without_prefixes(state):
        naming, ours = _convert(backbone.family, tensors, prefix, wrapped)
        filled = sum(name in ours for name in wanted)
        if filled > maximum:
            best, maximum = (taken, naming, ours), filled
        if filled >= MIN_MATCH * len(wanted):
            break
    assert best is not None, "the keys as they are come first"
    return best


def _needed(backbone: nn.Module) -> list[str]:
    # Output norms exist only in dense-prediction checkpoints; classifiers never have them.
    return [name for name, _ in backbone.named_parameters() if not name.startswith("out_norms.")]


def _convert(
    family: str, state: dict[str, Tensor], prefix: str, wrapped: bool
) -> tuple[str, dict[str, Tensor]]:
    """Key naming, and the state dict under the module's names."""
    whole = next((name for name, names in _WHOLE.items() if names.is_own(state)), None)
    if whole is not None:
        state = _WHOLE[whole].read(state)
    inner = {k.removeprefix(BACKBONE): v for k, v in state.items() if k.startswith(BACKBONE)}
    rest = {k: v for k, v in state.items() if not k.startswith(BACKBONE)} if inner else {}
    naming = family_naming(family, inner or state)
    converted = to_ours(family, inner or state)
    named = {k if k.startswith(HEAD) else prefix + k: v for k, v in converted.items()}
    if whole is not None:
        naming = whole
    elif mmseg.is_mmseg(set(rest)):
        naming, rest = "mmseg", mmseg.read(rest, wrapped=wrapped)
    elif kmax.is_kmax(set(rest)):
        naming, rest = "kmax", kmax.read(rest)
    elif mmdet.is_mmdet(set(rest)):
        naming, rest = "mmdet", mmdet.read(rest)
    return naming, {**named, **rest}


def _class_rows(module: nn.Module) -> dict[str, ClassRows]:
    found: dict[str, ClassRows] = {}
    for prefix, head in _heads(module):
        own = head.class_rows() if hasattr(head, "class_rows") else {}
        found |= {prefix + name: rows for name, rows in own.items()}
    return found


def _heads(module: nn.Module) -> list[tuple[str, Any]]:
    """The heads that a module has, and what their names begin with."""
    heads = [(prefix, getattr(module, prefix.removesuffix("."), None)) for prefix in HEADS]
    return [(prefix, head) for prefix, head in heads if head is not None]


def _fit(
    module: nn.Module,
    backbone: nn.Module,
    prefix: str,
    ours: dict[str, Tensor],
    report: LoadReport,
    classes: ClassMap | None,
) -> dict[str, Tensor]:
    """Sort the converted tensors into the report.

    Returns:
        The tensors to load, with the right shapes, except for the rows of classes that are mapped.
    """
    targets = module.state_dict()
    mapped = classes.names if classes and classes.sources else []
    # A bare backbone has no reader, neck and head, a neck may not take every map, and not every
    # model has an auxiliary head: these keys are known, not unexpected.
    spare: tuple[str, ...] = () if prefix else (HEAD, NECK, READER)
    if prefix and backbone.dense:
        spare = (prefix + "out_norms.",)
    for second in (AUXILIARY, HEAD + AUXILIARY):
        if not any(name.startswith(second) for name in targets):
            spare = (*spare, second)
    accepted = {}
    for name, tensor in ours.items():
        target = targets.get(name)
        if target is None:
            if not name.startswith(spare):
                report.unexpected.append(name)
            continue
        if name in mapped:
            continue
        if tensor.shape != target.shape:
            if name.startswith(HEADS):
                report.reinitialised.append(name)
                continue
            tensor = _resize(backbone, prefix, name, tensor, target)
            report.resized[name] = (tuple(ours[name].shape), tuple(target.shape))
        accepted[name] = tensor.to(target.dtype)
    # Weight and bias of a layer are fresh together.
    layers = {name.rpartition(".")[0] for name in report.reinitialised}
    report.reinitialised = [name for name in targets if name.rpartition(".")[0] in layers]
    accepted = {k: v for k, v in accepted.items() if k not in report.reinitialised}
    report.loaded = [*accepted, *mapped]
    done = {*report.loaded, *report.reinitialised}
    report.missing = [name for name in targets if name not in done]
    return accepted


def _initialise_heads(
    module: nn.Module, missing: Sequence[str], device: torch.device | None
) -> dict[str, Tensor]:
    """Initialise the heads, on a device if they have no memory yet.

    Returns:
        The previous values of the parameters that the source lacks, to be kept.
    """
    kept: dict[str, Tensor] = {}
    state = module.state_dict()
    for prefix, head in _heads(module):
        if device is not None:
            head.to_empty(device=device)
        else:
            kept |= {name: state[name].clone() for name in missing if name.startswith(prefix)}
        head.reset_parameters()
    return kept


def _resize(backbone: Any, prefix: str, name: str, tensor: Tensor, target: Tensor) -> Tensor:
    within, fitted, owner = name.removeprefix(prefix), None, type(backbone).__name__
    if not name.startswith(prefix):
        owner = "model"
    elif within == backbone.input_conv and tensor.shape[0] == target.shape[0]:
        fitted = fit_in_channels(tensor, target.shape[1])
    else:
        fitted = family_module(backbone.family).resize(within, tensor, target, backbone)
    if fitted is None or fitted.shape != target.shape:
        raise WeightsError(
            f"'{name}' of shape {tuple(tensor.shape)} does not fit this {owner}, "
            f"which needs {tuple(target.shape)}. The weights belong to another variant or other "
            "options."
        )
    return fitted


def _check_match(backbone: nn.Module, prefix: str, accepted: dict[str, Tensor]) -> None:
    wanted = _needed(backbone)
    absent = [name for name in wanted if prefix + name not in accepted]
    if len(wanted) - len(absent) < MIN_MATCH * len(wanted):
        near = suggest(absent[0], accepted, maximum=1)
        raise WeightsError(
            f"the weights fill only {len(wanted) - len(absent)} of {len(wanted)} parameters of "
            f"this {type(backbone).__name__}; first missing: '{absent[0]}'.{near} They belong to "
            "another model or variant."
        )
