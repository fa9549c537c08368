"""Groups of options from mappings."""

from dataclasses import dataclass

import pytest

from vision.errors import ConfigError
from vision.options import read_options


@dataclass(frozen=True)
class Colours:
    red: float = 0.5
    green: float = 0.5


def test_an_instance_is_itself_and_a_mapping_replaces_some_options() -> None:
    given = Colours(red=1.0)
    assert read_options(Colours, given, group="colours") is given
    assert read_options(Colours, {"green": 0.1}, group="colours") == Colours(0.5, 0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gren": 0.1}, "no option colours.gren. Did you mean 'green'.*red, green"),
        (0.1, "colours=0.1 must have the options red, green"),
    ],
)
def test_what_is_no_option_is_named(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_options(Colours, values, group="colours")
