"""Keywords that constructors pass on: callers, type checkers, files and the help see the same."""

import inspect
import re
from itertools import pairwise
from typing import Any, Generic, TypedDict, get_args, get_origin, get_type_hints

import pytest

from vision.backbones.registry import FAMILIES, backbone_class
from vision.cli.names import CLASSES, find_class
from vision.cli.parser import class_options
from vision.keywords import FullSignature, Unpack

# Dataclasses, each field of which is an option.
OWN_GROUPS = (
    *("augment", "optim", "mix", "loss", "inference", "merge", "evaluation", "objects"),
    "paste",
)


class Seed(TypedDict, total=False):
    seed: int


class Base:
    __signature__ = FullSignature()

    def __init__(self, root: str, *, seed: int = 0, name: str | None = None) -> None: ...

    def __call__(self, x: int) -> None: ...


class Middle(Base):
    def __init__(self, *, size: int = 3, name: str | None = "m", **options: Unpack[Seed]) -> None:
        super().__init__("folder", name=name, **options)


class Leaf(Middle):
    def __init__(self, depth: int, *, size: "int" = 4, **options: Any) -> None:
        super().__init__(size=size, **options)


class Silent(Leaf):
    pass


def shown(cls: Any) -> str:
    return str(inspect.signature(cls))


def test_a_signature_has_what_is_passed_on_and_nothing_else() -> None:
    assert shown(Base) == "(root: str, *, seed: int = 0, name: str | None = None)"
    assert shown(Middle) == "(*, size: int = 3, name: str | None = 'm', seed: int = 0)"


def test_a_bare_group_stands_for_all_of_the_base() -> None:
    expected = "(depth: int, *, size: int = 4, name: str | None = 'm', seed: int = 0)"
    assert shown(Leaf) == shown(Silent) == expected


def test_an_object_has_the_signature_of_its_call() -> None:
    assert shown(Base("folder")) == "(x: int) -> None"


def groups_of(cls: type) -> list[tuple[type, type, type]]:
    """Each group in a line of classes, the class that passes it on, and the class that takes it.

    The class that takes it has behind it what it has in the line of `cls`, as `super()` does.
    """
    found = []
    lineage = [one for one in cls.__mro__ if "__init__" in vars(one)]
    for one, base in pairwise(lineage):
        for parameter in inspect.signature(one.__init__).parameters.values():
            if get_origin(parameter.annotation) is Unpack:
                behind = cls.__mro__[cls.__mro__.index(base) :]
                # Python makes no class with a bare `Generic` among its bases.
                taker = type(base.__name__, tuple(c for c in behind if c is not Generic), {})
                found.append((one, taker, get_args(parameter.annotation)[0]))
    return found


PASSING_ON = [backbone_class(name) for name in (*FAMILIES, "timm/resnet18")]
PASSING_ON += [find_class(group, name, source="") for group in CLASSES for name in CLASSES[group]]


@pytest.mark.parametrize("cls", PASSING_ON, ids=lambda cls: cls.__name__)
def test_groups_are_typed_as_their_base_is(cls: type) -> None:
    for _, base, group in groups_of(cls):
        hints = get_type_hints(group)
        taken = inspect.signature(base).parameters
        assert {key: taken[key].annotation for key in hints} == hints
        assert all(taken[key].default is not inspect.Parameter.empty for key in hints)


@pytest.mark.parametrize("cls", PASSING_ON[len(FAMILIES) + 1 :], ids=lambda cls: cls.__name__)
def test_the_help_has_each_option_once_with_its_default_and_a_sentence(cls: type) -> None:
    shown = {a.dest: a for a in class_options("x", cls)._actions if a.dest.startswith("x.")}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.name in OWN_GROUPS:
            continue
        option = shown[f"x.{parameter.name}"]
        required = parameter.default is parameter.empty
        assert option.required is required
        assert required or option.default == parameter.default
        assert re.fullmatch(r"[A-Z\"`].*\.", str(option.help), re.DOTALL), option.help
