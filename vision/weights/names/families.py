"""The module of each family of backbones in this folder, found by the family's name."""

import importlib
from collections.abc import Iterable
from types import ModuleType

from torch import Tensor

from vision.errors import ConfigError
from vision.weights.names.operations import State

OURS = "ours"


def family_module(family: str) -> ModuleType:
    """The names of a family: `TABLES`, `naming`, `resize`, `read_options`.

    Raises:
        ConfigError: There are none.
    """
    name = f"vision.weights.names.{family}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(f"there is no conversion of weights for family '{family}'.") from error


def family_naming(family: str, keys: Iterable[str]) -> str:
    """The naming of a state dict: ours, official, timm, huggingface or mmdet."""
    naming: str = family_module(family).naming(set(keys))
    return naming


def to_ours(family: str, state: State) -> dict[str, Tensor]:
    """The tensors of a backbone under our names; the classifier becomes `head.fc`.

    Args:
        family: One of the backbone families, such as `"swin"`.
        state: Tensor by key, under the names of any known implementation.

    Raises:
        WeightsError: The tensors do not belong to this family.
    """
    naming = family_naming(family, state)
    return dict(state) if naming == OURS else family_module(family).TABLES[naming].read(state)
