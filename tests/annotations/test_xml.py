from pathlib import Path

import pytest
from helpers.refusals import refuses

from vision.annotations.xml import only_text, read_xml
from vision.errors import DataError

BODY = "<annotation><name>{}</name></annotation>"


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("utf-8", None, "猫é"),
        ("utf-8-sig", None, "猫é"),
        ("utf-8-sig", "utf-8", "猫é"),
        ("utf-16", "utf-16", "猫é"),
        ("utf-16-le", None, "猫é"),
        ("utf-32", None, "猫é"),
        ("latin-1", "ISO-8859-1", "é"),
        ("cp1252", "windows-1252", "é€"),
        ("gb2312", "GB2312", "猫"),
        ("shift_jis", "Shift_JIS", "猫"),
        ("big5", "Big5", "貓"),
        ("koi8-r", "koi8-r", "кот"),
        ("utf-8", "utf-16", "猫"),  # as .NET writes a string into a file
    ],
)
def test_encodings_that_python_knows_are_read(
    encoding: str, declared: str | None, name: str, tmp_path: Path
) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    path = tmp_path / "a.xml"
    path.write_bytes((head + BODY.format(f" {name} ")).encode(encoding))
    assert only_text(read_xml(path, "annotation"), "name", "", print) == name


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "'klingon', which is not known"),
        (b'<?xml version="1.0" encoding="zlib"?><annotation/>', "'zlib', which is not known"),
        (b"<annotation>\xe9</annotation>", "is not text in utf-8: byte 12"),
        (b"\xff\xfe<", "is not text in utf-16"),
        (b"<annotation>\x00</annotation>", "is not a whole XML file"),
        (b"<annotation>&nothing;</annotation>", "is not a whole XML file"),
        (b"<annotation>", "is not a whole XML file"),
        (b"", "is not a whole XML file"),
        (b"<html/>", "holds <html>, expected <annotation>"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_file(data: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_xml(path, "annotation")
    assert part in str(caught.value)
    assert str(path) in str(caught.value)


BOMB = """<!DOCTYPE annotation [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
<annotation><object><name>&b;</name></object></annotation>"""
OUTSIDE = '<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>'
PARAMETER = '<!DOCTYPE annotation [<!ENTITY % a SYSTEM "http://host/x">%a;]><annotation/>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, OUTSIDE, PARAMETER], ids=["bomb", "outside", "parameter"])
def test_a_document_type_is_refused(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text, encoding=encoding)
    with refuses(DataError, "a.xml", "declares"):
        read_xml(path, "annotation")


def test_deep_nesting_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<annotation>" + "<a>" * 50_000 + "</a>" * 50_000 + "</annotation>")
    assert len(read_xml(path, "annotation")) == 1


def test_several_children_of_one_name_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(BODY.format("a</name><name>b"))
    told: list[str] = []
    assert only_text(read_xml(path, "annotation"), "name", "here", told.append) == "a"
    assert told == ["here: there are 2 <name>, expected one."]
