from pathlib import Path

import pytest

from vision.documents.csv_text import parse_csv, read_csv
from vision.errors import DataError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'a'; its first line has nothing"),
        ("b,c\n", "has no column 'a'; its first line has 'b', 'c'"),
        ("a,b,a\n", "has the column 'a' twice"),
        ("a,b\n1,2\n1,2,3\n", "line 3: the row has 3 cells, the header has 2"),
        ('a,b\n"1,2\n', "line 2: not valid CSV: unexpected end of data"),
        ('a,b\n"1"2,3\n', "line 2: not valid CSV: ',' expected after"),
        ("a,b\n1," + "x" * 200_000, "line 2: not valid CSV: field larger than field limit"),
        ("a,b\n1,\0\n", "line 2: there is a NUL character"),
    ],
)
def test_each_fault_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^table 'a.csv'.*{message}"):
        parse_csv(text, "table 'a.csv'", columns=["a"])


def test_rows_by_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('\ufeffa,b\r\n1,"x, ""ä""\ny"\r\n\r\n2\r\n'.encode())
    assert read_csv(tmp_path / "a.csv", columns=["b"]) == [
        {"a": "1", "b": 'x, "ä"\ny'},
        {"a": "2", "b": ""},
    ]
