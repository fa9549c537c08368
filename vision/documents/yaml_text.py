"""Safe reading of YAML from outside: plain values only, limited in number.

Only YAML's tags of plain values are known: no object is built. Every fault is one error, and
documents whose aliases multiply (aliases of aliases) are refused.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from vision.documents.numbers import MAX_INTEGER, MIN_INTEGER
from vision.documents.text import read_text
from vision.errors import DataError, VisionError
from vision.reading import MAX_SETTINGS_BYTES, StrPath, shown_path

MAX_NODES = 1_000_000  # with the nodes of each alias counted again
MAX_DEPTH = 100
# Kinds of values that PyYAML does not check fully.
_CHECKED = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp", "str")}
_NOT_FINITE = (".inf", ".nan")


def read_yaml(
    path: StrPath,
    *,
    max_bytes: int = MAX_SETTINGS_BYTES,
    what: str = "file",
    error: type[VisionError] = DataError,
) -> Any:
    """Read a YAML file of one document: `parse_yaml` of its contents.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        what: What messages call it.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`, as for `read_text` and `parse_yaml`.
    """
    text = read_text(path, max_bytes=max_bytes, what=what, error=error)
    return parse_yaml(text, f"{what} {shown_path(path)}", error=error)


def parse_yaml(text: str, name: str, *, error: type[VisionError] = DataError) -> Any:
    """Parse one YAML document into plain values; None for an empty one.

    Args:
        text: The document.
        name: What messages call it, such as `"config 'a.yaml'"`.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`: it is not valid YAML, is more than one document, is
            nested too deeply, has a key twice, asks for an object, or has a value that Python does
            not hold. The message has the line.
    """
    with loaded_yaml(text, name, error=error) as (loader, node):
        return None if node is None else loader.construct_document(node)


@contextmanager
def loaded_yaml(
    text: str, name: str, *, error: type[VisionError] = DataError
) -> Iterator[tuple[yaml.SafeLoader, yaml.Node | None]]:
    """The loader of a document and its checked root, for callers that need lines.

    Args:
        text: The document.
        name: What messages call it.
        error: Class of the error.

    Yields:
        A loader whose constructor makes values of nodes, and the root; None for an empty document.

    Raises:
        VisionError: As for `parse_yaml`.
    """
    loader = None
    try:
        loader = yaml.SafeLoader(text)  # reads the first characters
        node = loader.get_single_node()
        if node is not None:
            _check_size(node, name, error)
            _check_nodes(loader, node, name, error)
        yield loader, node
    except VisionError:
        raise
    except yaml.MarkedYAMLError as found:
        raise error(_marked(text, name, found)) from None
    except yaml.YAMLError as found:
        raise error(f"{name} is not valid YAML: {' '.join(str(found).split())}") from None
    except RecursionError:
        raise error(f"{name} is not read: its YAML is nested too deeply.") from None
    finally:
        if loader is not None:
            loader.dispose()


def _check_size(root: yaml.Node, name: str, error: type[VisionError]) -> None:
    """Refuse documents that are nested too deeply, contain themselves, or grow by aliases."""
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        key, place = id(node), f"{name}, line {node.start_mark.line + 1:,}"
        if key in counts:
            return counts[key]
        if key in open_nodes:
            raise error(f"{place}: the value contains itself (an *alias within its &anchor).")
        if len(open_nodes) >= MAX_DEPTH:
            raise error(f"{place}: nested too deeply, more than {MAX_DEPTH} levels.")
        open_nodes.add(key)
        counts[key] = 1 + sum(count(child) for child in _children(node))
        open_nodes.remove(key)
        if counts[key] > MAX_NODES:
            raise error(
                f"{place}: with its aliases (*name) written out it has more than "
                f"{MAX_NODES:,} values. Write less, or without aliases."
            )
        return counts[key]

    count(root)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def _check_nodes(
    loader: yaml.SafeLoader, root: yaml.Node, name: str, error: type[VisionError]
) -> None:
    """Refuse keys that a mapping has twice, and values that Python does not hold."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        waiting.extend(_children(node))
        if isinstance(node, yaml.MappingNode):
            _check_unique(node, name, error)
        elif node.tag in _CHECKED and not _is_held(loader, node):
            line, kind = node.start_mark.line + 1, node.tag.rpartition(":")[2]
            raise error(
                f"{name}, line {line:,}: {str(node.value)[:40]!r} is not a value of the kind "
                f"'{kind}', or too large for one. Put a text in quotes."
            )


def _is_held(loader: yaml.SafeLoader, node: yaml.Node) -> bool:
    """Whether a scalar fits its tag: a number of 64 bits, a text of whole characters."""
    try:
        value = loader.construct_object(node)
        if isinstance(value, str):
            value.encode()
    except (ValueError, OverflowError, LookupError, AttributeError):
        return False
    if isinstance(value, float):
        return math.isfinite(value) or node.value.lower().strip("+-") in _NOT_FINITE
    return not isinstance(value, int) or MIN_INTEGER <= value <= MAX_INTEGER


def _check_unique(mapping: yaml.MappingNode, name: str, error: type[VisionError]) -> None:
    lines: dict[tuple[str, str], int] = {}
    for node, _ in mapping.value:
        if isinstance(node, yaml.ScalarNode):
            line = node.start_mark.line + 1
            key = node.tag, node.value
            if key in lines:
                raise error(
                    f"{name}, line {line}: '{node.value}' is already set in line {lines[key]}. "
                    "Keep one of the two."
                )
            lines[key] = line


def _marked(text: str, name: str, found: yaml.MarkedYAMLError) -> str:
    mark = found.problem_mark or found.context_mark
    reason = found.problem or found.context
    if mark is None:
        return f"{name} is not valid YAML: {reason}."
    lines = text.splitlines()
    shown = lines[mark.line].rstrip()[:200] if mark.line < len(lines) else "(end of the file)"
    return (
        f"{name}, line {mark.line + 1}, column {mark.column + 1}: not valid YAML: {reason}.\n"
        f"  {shown}\n"
        "Check the indentation here and in the line above: spaces only, the same number for keys "
        "of one level."
    )
