from typing import Any

import numpy as np
import pytest

from vision.annotations.columns import complete, finite, flag, identities, identity, whole
from vision.errors import shown


def test_entries_without_their_keys_are_named_and_left_out() -> None:
    problems: list[str] = []
    records = [{"id": 5}, {"id": 6, "name": "a"}, "text", {"name": "b"}]
    assert complete(records, ("id", "name"), "images", problems) == [{"id": 6, "name": "a"}]
    assert problems == [
        "images[0] (id 5) has no 'name'",
        "images[2] is 'text', expected an object",
        "images[3] has no 'id'",
    ]


# What each kind of value is read as: id, whole number, flag, finite number. None is refused.
VALUES: list[tuple[Any, int | None, int | None, int | None, float | None]] = [
    (1, 1, 1, 1, 1.0),
    (17, 17, 17, None, 17.0),
    (-3, -3, -3, None, -3.0),
    (17.0, 17, 17, None, 17.0),
    (np.int64(17), 17, 17, None, 17.0),
    (np.float32(1), 1, 1, 1, 1.0),
    ("17", 17, None, None, None),
    ("-017", -17, None, None, None),
    *((text, None, None, None, None) for text in ("17.0", " 1", "1e3", "", "-", "٣", "x")),
    (True, None, None, 1, None),
    (False, None, None, 0, None),
    (None, None, None, 0, None),
    (0.5, None, None, None, 0.5),
    (float("nan"), None, None, None, None),
    (float("inf"), None, None, None, None),
    (1e300, None, None, None, 1e300),
    (2**63 - 1, 2**63 - 1, 2**63 - 1, None, float(2**63)),
    (2**70, None, 2**70, None, float(2**70)),
    ("9" * 5000, None, None, None, None),
    (10**400, None, 10**400, None, None),
    ([1], None, None, None, None),
    ({}, None, None, None, None),
]


@pytest.mark.parametrize("row", VALUES, ids=lambda row: shown(row[0], maximum=20))
def test_values_are_read_by_one_rule_each(row: tuple[Any, ...]) -> None:
    value, *expected = row
    assert [identity(value), whole(value), flag(value), finite(value)] == expected


def test_ids_of_a_column_are_numbers_and_others_are_told() -> None:
    problems: list[str] = []
    values = [3, 4.0, 4.5, "5", None, True, 2**70]
    records = [{"id": i, "image_id": value} for i, value in enumerate(values)]
    ids, good = identities(records, "image_id", "annotation", problems)
    assert ids[good].tolist() == [3, 4, 5]
    assert good.tolist() == [True, True, False, True, False, False, False]
    assert problems[0] == ("annotation 2: 'image_id' is 4.5, expected a whole number below 2**63")
    assert len(problems) == 4
