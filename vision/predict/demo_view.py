"""Base class of the demo page's views of results, one subclass per kind of task."""

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vision.predict.results import Result

if TYPE_CHECKING:
    from PIL.Image import Image

Cell = str | float | int
# Maximum number of bars and chips; the table has all.
MAX_SHOWN = 12


class Control(NamedTuple):
    """The slider of a page.

    Attributes:
        label: Name of the setting.
        about: A short description.
        low: Minimum.
        high: Maximum.
        value: Initial value.
        step: Step size.
    """

    label: str
    about: str
    low: float
    high: float
    value: float
    step: float


class Number(NamedTuple):
    """A field for a number that the prediction needs.

    Attributes:
        label: Name of the number.
        about: A short description.
        value: Initial value.
    """

    label: str
    about: str
    value: float


class View(ABC):
    """Shows the results of a task.

    Args:
        classes: Number of the model's classes.

    Attributes:
        headings: Of the table.
        suffixes: Of the files that are uploaded, several of which may be given at once; none for a
            picture.
        given: Name of what is uploaded.
        hint: What to do before there is a result.
        unreadable: What is said of a file that the page cannot read.
    """

    headings: tuple[str, ...]
    suffixes: ClassVar[tuple[str, ...]] = ()
    given: ClassVar[str] = "picture"
    hint: ClassVar[str] = "Give a picture on the left; the result appears here."
    unreadable: ClassVar[str] = (
        "The file could not be read as a picture: give a JPEG, PNG, WebP, TIFF or BMP file."
    )

    def __init__(self, classes: int) -> None:
        self.classes = classes

    @property
    @abstractmethod
    def control(self) -> Control:
        """The slider, or the first one."""

    @property
    def controls(self) -> tuple[Control, ...]:
        """All sliders; by default one."""
        return (self.control,)

    def setting(self, values: Sequence[float]) -> Any:
        """What the other methods get for the values of the sliders; by default that of the one."""
        return values[0]

    @property
    def number(self) -> Number | None:
        """A number that is asked for beside the picture; by default none."""
        return None

    def options(self, number: float) -> dict[str, Any]:
        """Arguments of `Model.predict_image` for the value of `number`."""
        return {}

    @abstractmethod
    def draw(self, result: Any, setting: Any) -> "Image":
        """The picture at the slider's setting."""

    @abstractmethod
    def rows(self, result: Any, setting: Any) -> list[list[Cell]]:
        """The rows of the table under `headings`."""

    @abstractmethod
    def summary(self, result: Any, setting: Any) -> str:
        """A few lines of markup above the table; every text in it is escaped."""

    def chosen(self, result: Any, setting: Any) -> Result:
        """The result filtered by the slider; unchanged if the slider only affects the drawing."""
        return result


def css_colour(colour: Any) -> str:
    """An RGB colour in 0..255, in CSS syntax."""
    red, green, blue = (int(part) for part in colour)
    return f"rgb({red},{green},{blue})"


def bar(name: str, share: float, colour: str) -> str:
    """Markup of a name, its share in [0, 1] and a bar of that length."""
    return (
        f'<div class="share"><span class="dot" style="background:{colour}"></span>'
        f"<span>{html.escape(name)}</span><b>{share:.1%}</b>"
        f'<i><u style="width:{100 * share:.1f}%;background:{colour}"></u></i></div>'
    )


def chip(text: str, colour: str) -> str:
    """Markup of a list item with a coloured dot."""
    return f'<li><span class="dot" style="background:{colour}"></span>{html.escape(text)}</li>'
