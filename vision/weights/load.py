"""Load weights into a backbone or into a model that has one, and report what happened."""

import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from vision.errors import ConfigError, WeightsError, suggest
from vision.weights.read import read_state_dict
from vision.weights.resize import fit_in_channels

logger = logging.getLogger(__name__)

# A file that fills less of the backbone than this belongs to another model.
LEAST_MATCH = 0.9
HEAD = "head."
BACKBONE = "backbone."


@dataclass
class LoadReport:
    """What `load_weights` did, by parameter or buffer name of the module.

    Attributes:
        naming: Whose key names the source has: ours, official, timm or huggingface.
        loaded: Names that were filled, the resized ones included.
        resized: Name -> (published shape, own shape) of what was resized.
        reinitialised: Names of a classifier that has another number of classes; filled afresh.
        missing: Names that the source does not have; they keep their values.
        unexpected: Keys of the source, in our terms, that the module does not have.
    """

    naming: str
    loaded: list[str] = field(default_factory=list)
    resized: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    reinitialised: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"loaded {len(self.loaded)} tensors ({self.naming} key names)"]
        resized = [f"{key} {old} -> {new}" for key, (old, new) in self.resized.items()]
        for title in ("resized", "reinitialised", "missing", "unexpected"):
            names = resized if title == "resized" else getattr(self, title)
            if names:
                more = f" and {len(names) - 6} more" if len(names) > 6 else ""
                lines.append(f"{title} {len(names)}: {', '.join(names[:6])}{more}")
        return "\n".join(lines)


def load_weights(
    module: nn.Module, source: str | os.PathLike[str] | Mapping[str, Any]
) -> LoadReport:
    """Load published or own weights into a backbone, or into a model with `backbone` and `head`.

    Key names of ours, of the authors, of timm and of Hugging Face are recognised by themselves.
    Position tables, position embeddings and global filters are resized to the module's sizes, the
    first convolution is fitted to its image channels, and a classifier with another number of
    classes is initialised afresh.

    Args:
        module: A `Backbone`, or a module whose `backbone` is one.
        source: A path, `"hf://owner/repo[/file][@revision]"`, an http(s) URL, a state dict, or a
            checkpoint that holds one.

    Returns:
        What was loaded, resized, initialised afresh, missing and unexpected; also logged.

    Raises:
        ConfigError: The module has no backbone.
        WeightsError: The file is unreadable or unsafe, a shape cannot be fitted, or the source
            fills less than 90 % of the backbone.
    """
    if isinstance(source, str) and "://" in source:
        from vision.weights.pretrained import fetch

        source = fetch(source)
    state = read_state_dict(source)
    backbone: Any = getattr(module, "backbone", module)
    if not hasattr(backbone, "family"):
        raise ConfigError(
            f"load_weights takes a Backbone or a model whose .backbone is one; got a "
            f"{type(module).__name__}."
        )
    prefix = BACKBONE if backbone is not module else ""
    naming, ours = _convert(backbone.family, state, prefix)
    report = LoadReport(naming)
    accepted = _fit(module, backbone, prefix, ours, report)
    _check_match(backbone, prefix, accepted)
    on_meta = any(p.is_meta for p in module.parameters())
    module.load_state_dict(accepted, strict=False, assign=on_meta)
    if report.reinitialised:
        head: Any = module.get_submodule("head")
        if on_meta:
            head.to_empty(device=next(iter(accepted.values())).device)
        head.reset_parameters()
    problems = report.missing or report.unexpected or report.reinitialised
    logger.log(logging.WARNING if problems else logging.INFO, "%s", report)
    return report


def family_module(family: str) -> ModuleType:
    """The conversion module of a family: `naming`, `convert`, `resize`, `read_options`.

    Raises:
        ConfigError: There is none.
    """
    name = f"vision.weights.{family}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(f"there is no conversion of weights for family '{family}'.") from error


def _convert(family: str, state: dict[str, Tensor], prefix: str) -> tuple[str, dict[str, Tensor]]:
    """Key naming, and the state dict under the module's names."""
    inner = {k.removeprefix(BACKBONE): v for k, v in state.items() if k.startswith(BACKBONE)}
    rest = {k: v for k, v in state.items() if not k.startswith(BACKBONE)} if inner else {}
    conversion = family_module(family)
    naming = conversion.naming(set(inner or state))
    converted = conversion.convert(inner or state)
    named = {k if k.startswith(HEAD) else prefix + k: v for k, v in converted.items()}
    return naming, {**named, **rest}


def _fit(
    module: nn.Module,
    backbone: nn.Module,
    prefix: str,
    ours: dict[str, Tensor],
    report: LoadReport,
) -> dict[str, Tensor]:
    """Sort the converted tensors into the report; return those to load, with the right shapes."""
    targets = module.state_dict()
    accepted = {}
    for name, tensor in ours.items():
        target = targets.get(name)
        if target is None:
            # A bare backbone has no classifier: its keys are known, not unexpected.
            if not (prefix == "" and name.startswith(HEAD)):
                report.unexpected.append(name)
            continue
        if tensor.shape != target.shape:
            if name.startswith(HEAD):
                report.reinitialised.append(name)
                continue
            tensor = _resize(backbone, name.removeprefix(prefix), tensor, target)
            report.resized[name] = (tuple(ours[name].shape), tuple(target.shape))
        accepted[name] = tensor.to(target.dtype)
    if report.reinitialised:
        # Weight and bias of a classifier are fresh together.
        report.reinitialised = [name for name in targets if name.startswith(HEAD)]
        accepted = {k: v for k, v in accepted.items() if not k.startswith(HEAD)}
    report.loaded = list(accepted)
    done = {*accepted, *report.reinitialised}
    report.missing = [name for name in targets if name not in done]
    return accepted


def _resize(backbone: Any, name: str, tensor: Tensor, target: Tensor) -> Tensor:
    if name == backbone.input_conv and tensor.shape[0] == target.shape[0]:
        fitted = fit_in_channels(tensor, target.shape[1])
    else:
        fitted = family_module(backbone.family).resize(name, tensor, target, backbone)
    if fitted is None or fitted.shape != target.shape:
        raise WeightsError(
            f"'{name}' of shape {tuple(tensor.shape)} does not fit this {type(backbone).__name__}, "
            f"which needs {tuple(target.shape)}. The weights belong to another variant or other "
            "options."
        )
    return fitted


def _check_match(backbone: nn.Module, prefix: str, accepted: dict[str, Tensor]) -> None:
    # Output norms exist only in dense-prediction checkpoints; classifiers never have them.
    wanted = [name for name, _ in backbone.named_parameters() if not name.startswith("out_norms.")]
    absent = [name for name in wanted if prefix + name not in accepted]
    if len(wanted) - len(absent) < LEAST_MATCH * len(wanted):
        near = suggest(absent[0], accepted, most=1)
        raise WeightsError(
            f"the weights fill only {len(wanted) - len(absent)} of {len(wanted)} parameters of "
            f"this {type(backbone).__name__}; first missing: '{absent[0]}'.{near} They belong to "
            "another model or variant."
        )
