"""How property tests draw: the same examples on every machine, or many more at random.

python -m pytest --hypothesis-profile explore
"""

from typing import Any

from hypothesis import settings

STEADY, EXPLORE = "steady", "explore"
TIMES_EXPLORED = 10


def register_profiles() -> None:
    """Make both known to hypothesis, and the steady one the default."""
    settings.register_profile(STEADY, derandomize=True, deadline=None)
    many = TIMES_EXPLORED * settings.get_profile(STEADY).max_examples
    settings.register_profile(EXPLORE, deadline=None, max_examples=many, print_blob=True)
    settings.load_profile(STEADY)


def examples(count: int = 100, **options: Any) -> settings:
    """Settings of one property test.

    Args:
        count: Number of examples; ten times as many while exploring.
        options: Other settings of hypothesis.
    """
    times = TIMES_EXPLORED if settings.get_current_profile_name() == EXPLORE else 1
    return settings(max_examples=times * count, **options)
