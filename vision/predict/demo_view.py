"""What the page to try a model shows of a result: the base of one class per kind of task."""

import html
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from vision.predict.results import Result

if TYPE_CHECKING:
    from PIL.Image import Image

Cell = str | float | int
# Bars and chips beyond these would make a page of their own; the table has all.
MAX_SHOWN = 12


class Control(NamedTuple):
    """The slider of a page.

    Attributes:
        label: What it sets.
        about: What that does, in a few words.
        low: Its least value.
        high: Its largest value.
        value: Where it stands at first.
        step: From one value to the next.
    """

    label: str
    about: str
    low: float
    high: float
    value: float
    step: float


class View(ABC):
    """What is shown of the results of a task.

    Args:
        classes: Number of the model's classes.
    """

    headings: tuple[str, ...]

    def __init__(self, classes: int) -> None:
        self.classes = classes

    @property
    @abstractmethod
    def control(self) -> Control:
        """The slider."""

    @abstractmethod
    def draw(self, result: Any, setting: float) -> "Image":
        """The picture, as the slider is set."""

    @abstractmethod
    def rows(self, result: Any, setting: float) -> list[list[Cell]]:
        """A row for each thing that was found, under `headings`."""

    @abstractmethod
    def summary(self, result: Any, setting: float) -> str:
        """A few lines of markup above the table, in which every text is escaped."""

    def chosen(self, result: Any, setting: float) -> Result:
        """What of a result the slider lets through: all, where it is for the drawing alone."""
        return result


def css_colour(colour: Any) -> str:
    """A colour of red, green and blue in 0..255, as style sheets write it."""
    red, green, blue = (int(part) for part in colour)
    return f"rgb({red},{green},{blue})"


def bar(name: str, share: float, colour: str) -> str:
    """Markup of a name, its share in [0, 1] and a bar as long."""
    return (
        f'<div class="share"><span class="dot" style="background:{colour}"></span>'
        f"<span>{html.escape(name)}</span><b>{share:.1%}</b>"
        f'<i><u style="width:{100 * share:.1f}%;background:{colour}"></u></i></div>'
    )


def chip(text: str, colour: str) -> str:
    """Markup of an item of a list with a dot of its colour."""
    return f'<li><span class="dot" style="background:{colour}"></span>{html.escape(text)}</li>'
