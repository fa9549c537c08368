"""Copy the rows of classes of a head to a head with other classes, matched by name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from vision.contracts.features import ClassRows
from vision.errors import listed
from vision.wording import counted


class ClassMap(NamedTuple):
    """Source of each class of a head.

    Attributes:
        names: Parameters of the module that have rows for classes.
        sources: Index in the source of each own class, -1 for a class that it lacks; None if
            unknown, so that all are initialised randomly.
        text: What happened, for a report.
    """

    names: list[str]
    sources: list[int] | None
    text: str


def count_classes(length: int, rows: ClassRows) -> int | None:
    """Number of classes of an axis of this length; None if no number fits.

    Args:
        length: Length of the first axis of a parameter.
        rows: How classes lie on it.
    """
    groups, per_class, background = rows
    count, rest = divmod(length, groups * per_class)
    count -= background
    return count if count > 0 and not rest else None


def map_classes(
    tensors: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    rows: Mapping[str, ClassRows],
    *,
    own: Sequence[str] | None,
    theirs: Sequence[str] | None,
) -> ClassMap | None:
    """Match each class of a head with a class of the source.

    Args:
        tensors: Tensor by name of the source, under the names of the module.
        targets: Tensor by name of the module.
        rows: How classes lie along the first axis of the parameters of the head, by name in the
            module.
        own: Class names of the module, if they are known.
        theirs: Class names of the source, if they are known.

    Returns:
        The map; a name that occurs twice in one of the two is not matched, as the class could take
        the rows of another. None if the rows keep their order: the lists are equal, or the number
        of classes is the same and no common name has another index.
    """
    common = [name for name in rows if name in tensors and name in targets]
    # A layer of another width is not the same layer, regardless of its classes.
    other = {_layer(n) for n in common if tensors[n].shape[1:] != targets[n].shape[1:]}
    names = [name for name in common if _layer(name) not in other]
    counts = {
        (count_classes(len(tensors[n]), rows[n]), count_classes(len(targets[n]), rows[n]))
        for n in names
    }
    if len(counts) != 1:
        return None
    ((before, after),) = counts
    if before is None or after is None:
        return None
    if own is None or theirs is None or len(own) != after or len(theirs) != before:
        return None if before == after else ClassMap(names, None, _why_fresh(own, theirs, before))
    if [*own] == [*theirs]:
        return None
    sources = _sources(own, theirs)
    if before == after and all(source in (i, -1) for i, source in enumerate(sources)):
        return None
    return ClassMap(names, sources, _what_was_mapped(own, theirs, sources))


def copy_rows(tensor: Tensor, target: Tensor, rows: ClassRows, sources: Sequence[int]) -> Tensor:
    """The rows of a parameter for other classes.

    Args:
        tensor: Parameter of the source, its classes on the first axis.
        target: Own parameter; its rows stay for the classes without a counterpart.
        rows: How the classes lie on the axis.
        sources: As in `ClassMap`.

    Returns:
        A tensor like `target`; the background is the source's.
    """
    groups, per_class, background = rows
    before = tensor.unflatten(0, (groups, -1, per_class))
    after = target.clone().unflatten(0, (groups, -1, per_class))
    own = [i for i, source in enumerate(sources) if source >= 0]
    after[:, own] = before[:, [sources[i] for i in own]].to(after)
    if background:
        after[:, -1] = before[:, -1].to(after)
    return after.flatten(0, 2)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _sources(own: Sequence[str], theirs: Sequence[str]) -> list[int]:
    """Index in `theirs` of each own name, -1 where it is absent or not unique on both sides."""
    counts, others = Counter(own), Counter(theirs)
    index = {name: i for i, name in enumerate(theirs) if others[name] == 1}
    return [index.get(name, -1) if counts[name] == 1 else -1 for name in own]


def _what_was_mapped(own: Sequence[str], theirs: Sequence[str], sources: Sequence[int]) -> str:
    found = [name for name, source in zip(own, sources, strict=True) if source >= 0]
    fresh = [name for name, source in zip(own, sources, strict=True) if source < 0]
    text = f"mapped {len(found)} of {counted(len(theirs), 'classes')} by name"
    if found:
        text += f": {listed(found)}"
    twice = [name for names in (own, theirs) for name, n in Counter(names).items() if n > 1]
    if fresh:
        text += f"; {len(fresh)} without a counterpart: {listed(fresh)}"
    if twice:
        text += f" (not unique: {listed(dict.fromkeys(twice))})"
    return text


def _why_fresh(own: Sequence[str] | None, theirs: Sequence[str] | None, before: int) -> str:
    whose = "the weights" if theirs is None or len(theirs) != before else "the model"
    return f"no classes mapped: the class names of {whose} are not known"
