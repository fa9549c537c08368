"""The optimisers by name: PyTorch's, and those of timm (PyTorch Image Models).

A name is looked up in these lists and nowhere else, so that a file of a model may hold it. Left out
are timm's that need other hardware or packages (`fused*`, `bnb*`), second-order gradients
(`adahessian`), random numbers of their own (`kron`), or state beside the parameters'
(`lookahead_*`), which a resumed run would not continue exactly.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from vision.errors import ConfigError, suggest
from vision.optim.corrected_decay import CorrectedDecayAdamW
from vision.optim.muon import MATRICES, MuonWithAdamW
from vision.options import building

Torch = Literal["adamw", "adamw_corrected_decay", "adam", "sgd", "muon"]
Momentum = Literal[
    "momentum", "sgdp", "sgdw", "rmsprop", "rmsproptf", "lars", "nlars", "lion", "clion"
]
Adaptive = Literal["adabelief", "adafactor", "adafactorbv", "adamax", "adamp", "adan", "adanw"]
Corrected = Literal[
    "adopt", "adoptw", "nadam", "nadamw", "radam", "radamw", "novograd", "novogradw"
]
Others = Literal["lamb", "lambc", "clamb", "laprop", "madgrad", "madgradw", "mars", "cadamw"]
OptimizerName = Literal[Torch, Momentum, Adaptive, Corrected, Others]
# Values of an option. A file of a model may hold no other text than this.
Option = (
    bool
    | int
    | float
    | list[float]
    | Literal["original", "match_rms_adamw", "spectral_unclamped"]
    | None
)
TORCH: dict[str, Callable[..., Optimizer]] = {
    "adamw": AdamW,
    "adamw_corrected_decay": CorrectedDecayAdamW,
    "adam": Adam,
    "sgd": SGD,
    "muon": MuonWithAdamW,
}
# timm's defaults for it, so that the name means the same everywhere.
SGD_DEFAULTS = {"momentum": 0.9, "nesterov": True}
# Have `betas` among the settings themselves.
WITH_BETAS = ("adamw", "adamw_corrected_decay", "adam", "muon")
BETAS = (0.9, 0.999)
# Change each number of a parameter by itself: a part of a parameter is trained as in the whole.
ELEMENTWISE = frozenset(
    {
        *("adamw", "adamw_corrected_decay", "adam", "sgd", "momentum", "sgdw", "rmsprop"),
        *("rmsproptf", "adabelief"),
        *("adamax", "adan", "adanw", "adopt", "adoptw", "nadam", "nadamw", "radam", "radamw"),
        *("laprop", "lion", "madgrad", "madgradw"),
    }
)
# Keep moments of other shapes than the parameter's.
FACTORED = frozenset({"adafactor", "adafactorbv"})
# Options that the settings have themselves.
OWN = ("lr", "weight_decay")


def optimizer_options(name: str) -> list[str]:
    """Names of the options that an optimiser has beside those of the settings."""
    left_out = {"self", "params", *OWN, *(["betas"] if name in WITH_BETAS else [])}
    return [option for option in _parameters(name) if option not in left_out]


def check_optimizer(name: str, options: Mapping[str, Any], betas: Sequence[float]) -> None:
    """Check the options of an optimiser, by a step with a parameter.

    Args:
        name: One of the names of `OptimizerName`.
        options: Its options by name.
        betas: The two betas of the settings.

    Raises:
        ConfigError: An option is unknown, belongs elsewhere, or its value is not possible.
    """
    if name not in WITH_BETAS and tuple(betas) != BETAS:
        raise ConfigError(
            f"betas={[*betas]} are those of {', '.join(WITH_BETAS)}. For {name} set "
            + ("options.betas." if "betas" in _parameters(name) else "none: it has no betas.")
        )
    if name == "adamw" and not options:
        return
    known = optimizer_options(name)
    for option in options:
        if option in known:
            continue
        if option in (*OWN, "betas") and option in _parameters(name):
            raise ConfigError(f"options.{option}: give it beside options, as optim.{option}.")
        raise ConfigError(
            f"{name} has no option '{option}'.{suggest(option, known)} Its options are "
            f"{', '.join(known)}."
        )
    with building(f"the optimiser {name}", options):
        parameter = nn.Parameter(torch.zeros(4, 4))
        parameter.grad = torch.ones(4, 4)
        group: dict[str, Any] = {"params": [parameter]}
        groups = [{**group, MATRICES: True} if name == "muon" else group]
        optimizer = create_optimizer(name, groups, lr=1e-3, betas=betas, options=options)
        if not options.get("capturable"):  # a step on a GPU alone
            optimizer.step()


def create_optimizer(
    name: str,
    groups: Sequence[dict[str, Any]],
    *,
    lr: float,
    betas: Sequence[float],
    options: Mapping[str, Any],
) -> Optimizer:
    """Build an optimiser over parameter groups.

    Args:
        name: One of the names of `OptimizerName`.
        groups: The groups, each with its `params`, and its own values of options.
        lr: Learning rate of a group that states none.
        betas: Of those optimisers that have these two among the settings.
        options: Further options.
    """
    own: dict[str, Any] = dict(options)
    if isinstance(own.get("betas"), list):
        own["betas"] = tuple(own["betas"])
    if name in WITH_BETAS:
        own["betas"] = (betas[0], betas[1])
    if name == "sgd":
        own = {**SGD_DEFAULTS, **own}
    if name in TORCH:
        return TORCH[name](groups, lr=lr, **own)
    from timm.optim import create_optimizer_v2

    return create_optimizer_v2(list(groups), opt=name, lr=lr, **own)


def _parameters(name: str) -> list[str]:
    if name in TORCH:
        builder: Any = TORCH[name]
    else:
        from timm.optim import get_optimizer_class

        builder = get_optimizer_class(name, bind_defaults=False)
    return [*inspect.signature(builder).parameters]
