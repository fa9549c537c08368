"""Numbers in words: `"1 image"`, `"1,200 images"`, `"2.5 s/image"`."""

_LONG_ENDINGS = ("sses", "xes", "ches", "shes")


def counted(count: int, nouns: str) -> str:
    """A number with its noun, which is in the singular for 1.

    Args:
        count: The number.
        nouns: The noun in the plural, such as `"images"` or `"training samples"`.
    """
    return f"{count:,} {singular(nouns) if count == 1 else nouns}"


def singular(nouns: str) -> str:
    """The singular of a regular noun."""
    return nouns.removesuffix("es" if nouns.endswith(_LONG_ENDINGS) else "s")


def speed(count: float, seconds: float, nouns: str) -> str:
    """How many per second; below 1, seconds for each.

    Args:
        count: How many.
        seconds: In how many seconds.
        nouns: What is counted, in the plural.
    """
    per_second = count / max(seconds, 1e-9)
    if count and per_second < 1:
        return f"{1 / per_second:.1f} s/{singular(nouns)}"
    return f"{per_second:.{0 if per_second >= 10 else 1}f} {nouns}/s"


def timed(count: int, seconds: float, nouns: str) -> str:
    """How many in what time, and how fast: `"20 images in 4.0 s, 5.0 images/s"`.

    Args:
        count: How many.
        seconds: In how many seconds.
        nouns: What is counted, in the plural.
    """
    return f"{counted(count, nouns)} in {seconds:.1f} s, {speed(count, seconds, nouns)}"
