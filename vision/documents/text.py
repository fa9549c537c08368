"""Reading of UTF-8 text, with errors that name what a file holds instead."""

import codecs

from vision.errors import DataError, VisionError
from vision.reading import MAX_TABLE_BYTES, StrPath, read_file, shown_path

_BINARY = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF": "a PDF document",
}
# UTF-32 first: its mark begins with the mark of UTF-16.
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_PAGES = (b"<!doctype html", b"<html")


def read_text(
    path: StrPath,
    *,
    max_bytes: int = MAX_TABLE_BYTES,
    what: str = "file",
    error: type[VisionError] = DataError,
) -> str:
    """Read a text file in UTF-8, with or without a byte-order mark.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        what: What messages call it.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`, as for `read_file` and `decode_text`.
    """
    data = read_file(path, max_bytes=max_bytes, what=what, error=error)
    return decode_text(data, f"{what} {shown_path(path)}", error=error)


def read_lines(path: StrPath, *, max_bytes: int = MAX_TABLE_BYTES, what: str = "file") -> list[str]:
    """The lines of a text file, without the space around them and without empty ones.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        what: What messages call it.

    Raises:
        DataError: As for `read_text`.
    """
    lines = read_text(path, max_bytes=max_bytes, what=what).splitlines()
    return [line.strip() for line in lines if line.strip()]


def decode_text(data: bytes, name: str, *, error: type[VisionError] = DataError) -> str:
    """Decode UTF-8, with or without a byte-order mark.

    Args:
        data: The whole text.
        name: What messages call it, such as `"config 'a.yaml'"`.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`: it is an archive or an image, a web page, or in another
            encoding; the message has the place.
    """
    for magic, kind in _BINARY.items():
        if data.startswith(magic):
            raise error(f"{name} is {kind}, expected a text. Unpack it, or name another file.")
    for mark, encoding in _OTHER_MARKS.items():
        if data.startswith(mark):
            raise error(f"{name} is {encoding} text: save it as UTF-8.")
    if b"\0" in data[:2]:
        raise error(f"{name} is UTF-16 or UTF-32 text, or no text: save it as UTF-8.")
    if data[:1024].lstrip().lower().startswith(_PAGES):
        raise error(f"{name} is a web page (HTML): download the file itself.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as found:
        line = data.count(b"\n", 0, found.start) + 1
        raise error(
            f"{name} is not UTF-8 text: byte {found.start:,} (line {line:,}) is "
            f"{data[found.start]:#04x}. Save it as UTF-8, or copy it again."
        ) from None
