"""The table of options is what the parsers say, and judges no value that they accept."""

import itertools

import pytest
from jsonargparse import ArgumentParser, Namespace

from vision.cli.option_table import Option, format_table, option_table, parse_table
from vision.cli.parser import describe
from vision.cli.plain_values import is_possible
from vision.cli.write_options import make_table

VALUES = ["1", "1.5", "1e-4", "-3", "true", "yes", "null", "soon", "[1]", "1_000", "", 3, 2.5, None]
VALUES += [True, [1], {"a": 1}, "0x10", "nan", "inf", "1.0"]


def test_the_table_is_that_of_the_parsers() -> None:
    made = make_table()
    if made.lightning != option_table().lightning:
        pytest.skip(f"the table is of lightning {option_table().lightning}")
    remedy = "run: python -m vision.cli.write_options"
    assert format_table(made) == format_table(option_table()), remedy
    assert parse_table(format_table(made)) == option_table()


def test_short_and_long_keys_have_their_facts() -> None:
    options = {one.key: one for one in option_table().classes["data"]["ImageFolder"].options}
    assert options["data.root"].required
    assert options["data.batch_size"].type == "int"
    assert options["data.batch_size"].default == 32
    assert "Images per batch" in options["data.batch_size"].help
    assert option_table().classes["data"]["ImageFolder"].about


@pytest.mark.parametrize(
    ("hint", "value"),
    list(
        itertools.product(
            [int, float, bool, int | None, int | float, bool | int],
            VALUES,
        )
    ),
    ids=repr,
)
def test_what_a_parser_accepts_is_possible(hint: type, value: object) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--x", type=hint)
    option = Option("x", tuple(describe(hint).split(" or ")))
    try:
        if isinstance(value, str):
            parser.parse_args([f"--x={value}"])
        else:
            parser.validate(Namespace(x=value))
    except Exception:  # of several classes
        return
    assert is_possible(value, option)


@pytest.mark.parametrize(
    ("accepts", "value"),
    [
        (("int",), "1.5"),
        (("int", "null"), "soon"),
        (("float",), "fast"),
        (("true or false",), "maybe"),
        (("'bicubic'", "'bilinear'"), "cubic"),
        (("'32'", "16", "null"), "64"),
        (("int",), [1]),
    ],
)
def test_what_is_certainly_wrong(accepts: tuple[str, ...], value: object) -> None:
    assert not is_possible(value, Option("x", accepts))


@pytest.mark.parametrize(
    ("accepts", "value"),
    [
        (("str", "int"), "anything"),
        (("list of int",), "soon"),
        (("'bicubic'", "int"), "bicubic"),
        (("16", "'16-true'"), 16),
        (("16", "'16-true'"), "16"),
    ],
)
def test_what_may_be_right(accepts: tuple[str, ...], value: object) -> None:
    assert is_possible(value, Option("x", accepts))
