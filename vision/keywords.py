"""Keywords passed on to the base class's constructor: typed, documented and defaulted once.

    class Loading(TypedDict, total=False):
        seed: int

    class DataModule:
        __signature__ = FullSignature()

        def __init__(self, *, seed: int = 0) -> None: ...

    class Folder(DataModule):
        def __init__(self, *, root: str, **loading: Unpack[Loading]) -> None:
            super().__init__(**loading)

The constructor of the base has the defaults and its class the descriptions; the group tells type
checkers and editors which keywords there are.
"""

import inspect
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from types import GenericAlias
from typing import TYPE_CHECKING, Any, get_args, get_origin

if TYPE_CHECKING:
    from typing import Unpack
else:

    class Unpack:
        """`typing.Unpack`, for type checkers.

        From the real one jsonargparse reads only names and types, so that the options would have
        no defaults. Without it, it follows the keywords into the constructor of the base.
        """

        __class_getitem__ = classmethod(GenericAlias)


class FullSignature:
    """The `__signature__` of a class, with what its constructor passes on to its base.

    `inspect.signature` then has each keyword of a group in place of `**options: Unpack[Group]`, and
    all of the base in place of a bare `**options`.
    """

    def __get__(self, instance: object | None, owner: type) -> Signature:
        if instance is not None:  # an instance has the signature of its __call__
            raise AttributeError("__signature__")
        return Signature([*_parameters(owner.__mro__).values()])


def _parameters(lineage: Sequence[type]) -> Mapping[str, Parameter]:
    """Parameters of the first constructor in a line of classes, as its callers see them."""
    place = next(i for i, cls in enumerate(lineage) if "__init__" in vars(cls))
    constructor: Any = vars(lineage[place])["__init__"]
    _, *own = inspect.signature(constructor, eval_str=True).parameters.values()
    if not own or own[-1].kind is not Parameter.VAR_KEYWORD or lineage[place] is object:
        return {parameter.name: parameter for parameter in own}
    *own, rest = own
    inherited = _parameters(lineage[place + 1 :])
    is_group = get_origin(rest.annotation) is Unpack
    names = get_args(rest.annotation)[0].__annotations__ if is_group else inherited
    passed = {
        name: inherited[name].replace(kind=Parameter.KEYWORD_ONLY)
        for name in names
        if inherited[name].kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    }
    mine = {parameter.name: parameter for parameter in own}
    return mine | {name: passed[name] for name in passed if name not in mine}
