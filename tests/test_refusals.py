"""A helper that other tests rely on must fail where it should."""

import pytest
from helpers.refusals import refuses


def test_every_part_is_needed_in_any_order() -> None:
    with refuses(ValueError, "'b'", 3) as caught:
        raise ValueError("3 of 4 rows have no 'b'")
    assert str(caught.value).startswith("3")
    with pytest.raises(AssertionError) as failed, refuses(ValueError, "'b'", 5):
        raise ValueError("3 rows have no 'b'")
    assert "['5']" in str(failed.value)


def test_another_error_or_none_fails() -> None:
    with pytest.raises(KeyError), refuses(ValueError, "a"):
        raise KeyError("a")
    with pytest.raises(pytest.fail.Exception), refuses(ValueError, "a"):
        pass
    with pytest.raises(AssertionError), refuses(ValueError):
        raise ValueError("a")
