"""Text from outside stays text in Markdown, read by a parser of CommonMark."""

import pytest

from vision.interop.markdown import code, text

markdown_it = pytest.importorskip("markdown_it")

HOSTILE = [
    "<script>alert(1)</script>",
    "a\n\n---\n\n# Title",
    "[a](javascript:alert(1))",
    "![a](http://host/x.png)",
    "**bold** _it_ ~~s~~ `c`",
    "http://host/x and www.host.com",
    "&lt;b&gt; &amp;",
    "a | b\n|---|---|",
    "```\nfence",
    "\\*a\\*",
    "\x00\u202eabc",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_text_has_no_markup(value: str) -> None:
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).enable("table")
    tokens = parser.parse(f"Data: {text(value)}.")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children} <= {"text", "text_special"}
    shown = "".join(child.content for child in tokens[1].children)
    assert (
        shown == f"Data: {' '.join(''.join(c if c.isprintable() else ' ' for c in value).split())}."
    )


@pytest.mark.parametrize("value", [*HOSTILE, "``", "a`b``c"])
def test_code_is_one_piece(value: str) -> None:
    tokens = markdown_it.MarkdownIt("commonmark").parse(f"built of {code(value)}, trained")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert [child.type for child in tokens[1].children] == ["text", "code_inline", "text"]


def test_names_are_shown_as_they_are() -> None:
    assert text("traffic_light val/box_AP 3-D (x)") == "traffic_light val/box_AP 3-D (x)"
