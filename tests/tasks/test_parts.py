"""Options of a row and options that are given, merged."""

from typing import Any

from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.tasks.parts import build_part, find_row

SPECS = [FeatureSpec(8, 4)]


def part(specs: list[FeatureSpec], *, width: int = 1, inner: dict[str, int] | None = None) -> Any:
    return specs, width, inner


def anything(**options: Any) -> dict[str, Any]:
    return options


def test_given_options_replace_those_of_the_row_one_by_one() -> None:
    own = {"width": 2, "inner": {"a": 1, "b": 2}}
    assert build_part(part, SPECS, "group", own, {}) == (SPECS, 2, {"a": 1, "b": 2})
    given = {"inner": {"b": 3}}
    assert build_part(part, SPECS, "group", own, given) == (SPECS, 2, {"a": 1, "b": 3})
    assert build_part(part, SPECS, "group", own, {"inner": None}) == (SPECS, 2, None)


def test_an_unknown_option_is_named_with_its_group() -> None:
    with refuses(ConfigError, "group.wdth", "'width'", "options"):
        build_part(part, SPECS, "group", {}, {"wdth": 1})


def test_what_takes_any_option_judges_them_itself() -> None:
    assert build_part(anything, None, "group", {"a": 1}, {"b": 2}) == {"a": 1, "b": 2}


def test_a_row_is_found_by_its_name_or_named_with_the_nearest() -> None:
    rows = {"upernet": 1, "segformer": 2}
    assert find_row(rows, "segformer", option="segmentor") == 2
    with refuses(ConfigError, "segmentor='upernett'", "'upernet'"):
        find_row(rows, "upernett", option="segmentor")
