"""What the page to try a model shows of a result: one class per task, listed at the end."""

import dataclasses
import html
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from vision.draw.figure import class_color
from vision.errors import ConfigError, suggest
from vision.predict.classification import ClassificationResult
from vision.predict.detection import DetectionResult
from vision.predict.results import Result
from vision.predict.segmentation import SegmentationResult

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


class ClassificationView(View):
    """Bars of the likeliest classes."""

    headings = ("class", "probability")

    @property
    def control(self) -> Control:
        """How many classes are shown."""
        maximum = min(self.classes, 10)
        return Control(
            "Classes shown", "the likeliest ones", 1, max(maximum, 2), min(5, maximum), 1
        )

    def draw(self, result: ClassificationResult, setting: float) -> "Image":
        """The image with its likeliest classes."""
        return result.plot(top=int(setting))

    def rows(self, result: ClassificationResult, setting: float) -> list[list[Cell]]:
        """Name and probability of each class, the likeliest first."""
        return [[name, round(score, 4)] for name, score in result.top(int(setting))]

    def summary(self, result: ClassificationResult, setting: float) -> str:
        """A headline and bars."""
        ranked = result.top(int(setting))
        bars = (
            _bar(name, score, _css(class_color(result.names.index(name))))
            for name, score in ranked
            if name in result.names
        )
        return f"<h3>{html.escape(result.name)}</h3>{''.join(bars)}"


class DetectionView(View):
    """Boxes and masks from a least score on."""

    headings = ("object", "score", "left", "top", "right", "bottom")

    @property
    def control(self) -> Control:
        """The threshold."""
        return Control("Threshold", "least score of an object", 0.0, 1.0, 0.3, 0.01)

    def chosen(self, result: DetectionResult, setting: float) -> DetectionResult:
        """The objects whose scores are high enough."""
        kept = result.scores >= setting
        return dataclasses.replace(
            result,
            boxes=result.boxes[kept],
            labels=result.labels[kept],
            scores=result.scores[kept],
            masks=None if result.masks is None else result.masks[kept],
        )

    def draw(self, result: DetectionResult, setting: float) -> "Image":
        """The image with boxes, masks, names and scores."""
        return self.chosen(result, setting).plot()

    def rows(self, result: DetectionResult, setting: float) -> list[list[Cell]]:
        """Name, score and box in pixels of each object, by falling score."""
        found = self.chosen(result, setting)
        lines = zip(found.label_names, found.scores.tolist(), found.boxes.tolist(), strict=True)
        return [[name, round(score, 3), *(round(x, 1) for x in box)] for name, score, box in lines]

    def summary(self, result: DetectionResult, setting: float) -> str:
        """How many objects of which classes."""
        found = self.chosen(result, setting)
        count = len(found)
        head = f"<h3>{count} object{'' if count == 1 else 's'}</h3>"
        if not count:
            more = f"; {len(result)} have lower scores" if len(result) else ""
            return f"{head}<p>None has a score of {setting:g} or more{more}.</p>"
        counts = Counter(found.labels.tolist()).most_common(MAX_SHOWN)
        names = dict(zip(found.labels.tolist(), found.label_names, strict=True))
        chips = (_chip(f"{names[k]} {n}", _css(class_color(k))) for k, n in counts)
        return f'{head}<ul class="chips">{"".join(chips)}</ul>'


class SegmentationView(View):
    """The image under the colours of its classes, with their legend."""

    headings = ("class", "share of the image")

    @property
    def control(self) -> Control:
        """The opacity of the colours."""
        return Control("Opacity", "of the colours", 0.0, 1.0, 0.55, 0.05)

    def draw(self, result: SegmentationResult, setting: float) -> "Image":
        """The tinted image."""
        return result.plot(opacity=setting)

    def rows(self, result: SegmentationResult, setting: float) -> list[list[Cell]]:
        """Name and share of each class that is in the image, the largest first."""
        return [[name, round(share, 4)] for name, share in result.shares().items()]

    def summary(self, result: SegmentationResult, setting: float) -> str:
        """The legend: colour, name and share of each class."""
        colours = {name: colour for name, colour in zip(result.names, result.palette, strict=False)}
        shares = result.shares()
        bars = [
            _bar(name, share, _css(colours.get(name, (128, 128, 128))))
            for name, share in list(shares.items())[:MAX_SHOWN]
        ]
        count = len(shares)
        return f"<h3>{count} class{'' if count == 1 else 'es'}</h3>{''.join(bars)}"


VIEWS: dict[str, type[View]] = {
    "classification": ClassificationView,
    "detection": DetectionView,
    "segmentation": SegmentationView,
}


def find_view(kind: str, classes: int) -> View:
    """The view of a task.

    Raises:
        ConfigError: There is none.
    """
    if kind not in VIEWS:
        raise ConfigError(
            f"there is no page for the task '{kind}'.{suggest(kind, VIEWS)} There are pages for "
            f"{', '.join(VIEWS)}."
        )
    return VIEWS[kind](classes)


def _css(colour: Any) -> str:
    red, green, blue = (int(part) for part in colour)
    return f"rgb({red},{green},{blue})"


def _bar(name: str, share: float, colour: str) -> str:
    return (
        f'<div class="share"><span class="dot" style="background:{colour}"></span>'
        f"<span>{html.escape(name)}</span><b>{share:.1%}</b>"
        f'<i><u style="width:{100 * share:.1f}%;background:{colour}"></u></i></div>'
    )


def _chip(text: str, colour: str) -> str:
    return f'<li><span class="dot" style="background:{colour}"></span>{html.escape(text)}</li>'
