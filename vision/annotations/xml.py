"""Safe reading of XML annotations: any encoding that Python knows, no entities."""

import os
import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from vision.errors import DataError
from vision.reading import MAX_SETTINGS_BYTES, read_file

# Byte-order marks (UTF-32 first: its mark begins with the mark of UTF-16), and the first character
# of a file without one.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")


def read_xml(path: str | os.PathLike[str], root: str) -> Element:
    """Parse an XML file that declares no document type: entities in one could fill the memory.

    The encoding follows from its byte-order mark, or else from its declaration (any that Python
    knows), or else is UTF-8.

    Args:
        path: The file.
        root: Name of its outermost element.

    Raises:
        DataError: The file is absent, not XML, not in its encoding, has a document type, or holds
            another element.
    """
    data = read_file(path, max_bytes=MAX_SETTINGS_BYTES, what="annotation")
    found = _parse(_decode(data, path).encode("utf-8", "replace"), path)
    if found.tag != root:
        raise DataError(f"'{path}' holds <{found.tag}>, expected <{root}>.")
    return found


def _decode(data: bytes, path: str | os.PathLike[str]) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        declared = _DECLARED.match(data[:1024])
        encoding = declared.group(1).decode("ascii") if declared else "utf-8"
        # A declaration that is readable byte by byte is not in UTF-16 or UTF-32.
        if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32", "ucs-", "iso-10646")):
            encoding = "utf-8"
    try:
        return data.decode(encoding)
    except LookupError:
        raise DataError(
            f"'{path}' declares the encoding '{encoding}', which is not known. Save it as UTF-8."
        ) from None
    except UnicodeError as error:
        place = f": byte {error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(
            f"'{path}' is not text in {encoding}{place}. Save it as UTF-8, or copy it again."
        ) from None


def _parse(text: bytes, path: str | os.PathLike[str]) -> Element:
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise DataError(
            f"'{path}' declares a document type (<!DOCTYPE ...>), which annotations have no use "
            "for and which is not read: its entities can stand for anything. Delete it."
        )

    parser = expat.ParserCreate("utf-8")  # the text is decoded already
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"'{path}' is not a whole XML file: {error}; copy it again.") from error
    return builder.close()


def only_text(element: Element, tag: str, where: str, report: Callable[[str], Any]) -> str | None:
    """The text of a child, without blanks around it; None if there is none.

    Args:
        element: The parent.
        tag: Name of the child.
        where: What messages call the parent.
        report: Called with a message if there are several.
    """
    found = element.findall(tag)
    if len(found) > 1:
        report(f"{where}: there are {len(found)} <{tag}>, expected one.")
    return (found[0].text or "").strip() if found else None
