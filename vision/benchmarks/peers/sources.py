"""Whose implementations are compared: those asked for, of packages that are installed."""

import importlib.util
from collections.abc import Sequence

from vision.errors import ConfigError, MissingPackageError, suggest

# Packages that the suite does not need itself, by source, and what installs them.
PACKAGES = {
    "transformers": ("transformers", "pip install transformers"),
    "mmsegmentation": ("mmseg", 'pip install "vision-suite[mmseg]"'),
}


def choose_sources(sources: Sequence[str], against: str) -> tuple[list[str], list[str]]:
    """The sources to compare with, and a line for each that is left out as it is not installed.

    Args:
        sources: All that there are.
        against: One of them, or `"all"`.

    Raises:
        ConfigError: `against` is neither.
        MissingPackageError: The one that is asked for is not installed.
    """
    if against not in (*sources, "all"):
        raise ConfigError(
            f"against='{against}' is no peer.{suggest(against, sources)} "
            f"Known are {', '.join(sources)} and all."
        )
    wanted = sources if against == "all" else [against]
    absent = {
        source: PACKAGES[source][1]
        for source in wanted
        if source in PACKAGES and importlib.util.find_spec(PACKAGES[source][0]) is None
    }
    if against in absent:
        raise MissingPackageError(
            f"the other side is {against}'s, which is not installed: {absent[against]}"
        )
    lines = [f"not compared: {source}, not installed ({how})" for source, how in absent.items()]
    return [source for source in wanted if source not in absent], lines
