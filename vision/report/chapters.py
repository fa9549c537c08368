"""Sections of a page that may fail one by one: the others, and the numbers, are still shown."""

import logging
from collections.abc import Callable

from vision.report.page import Html, note, section

logger = logging.getLogger(__name__)


def chapter(title: str, make: Callable[[], Html]) -> Html:
    """Call `make`; if it fails, return a section that says why.

    Args:
        title: Heading of the section shown on failure.
        make: Makes the section.
    """
    return chapters(title, lambda: [make()])[0]


def chapters(title: str, make: Callable[[], list[Html]]) -> list[Html]:
    """The same for several sections; if one fails, none of them is shown."""
    try:
        return make()
    # A missing image or a record of another version can raise any exception.
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:500]
        logger.warning("the chapter '%s' of the report is left out: %s", title, problem)
        return [section(title, note(f"This section could not be made. {problem}"))]
