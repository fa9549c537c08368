"""Chapters of a page that may fail one by one: the others, and the numbers, are still shown."""

import logging
from collections.abc import Callable

from vision.report.page import Html, note, section

logger = logging.getLogger(__name__)


def chapter(title: str, make: Callable[[], Html]) -> Html:
    """What `make` makes, or a chapter that says why it could not be made.

    Args:
        title: Heading of the chapter that stands in its place.
        make: Makes one.
    """
    return chapters(title, lambda: [make()])[0]


def chapters(title: str, make: Callable[[], list[Html]]) -> list[Html]:
    """The same for several; where one fails, none of them is shown."""
    try:
        return make()
    # Whatever an image that is gone, or a record of another version, leads to.
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:500]
        logger.warning("the chapter '%s' of the report is left out: %s", title, problem)
        return [section(title, note(f"This could not be shown. {problem}"))]
