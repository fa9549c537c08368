"""The parser of the options."""

import pytest

from vision.cli.parser import OptionsParser, try_whole_numbers_first


@pytest.mark.parametrize("hint", [float | int | None, float | int | str, int | float])
def test_a_whole_number_stays_one_in_any_order_of_types(hint: object) -> None:
    parser = OptionsParser()
    parser.add_argument("--batches", type=hint)
    parser.add_argument("--shares", type=tuple[float, int])
    try_whole_numbers_first(parser)
    for text, expected in (("1", 1), ("1.0", 1.0), ("0.25", 0.25)):
        found = parser.parse_args(["--batches", text, "--shares", "[1, 2]"])
        assert (type(found.batches), found.batches) == (type(expected), expected)
        assert [*map(type, found.shares)] == [float, int]
