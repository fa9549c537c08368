"""The demo page's view of objects with scores: the threshold, and how many objects it leaves."""

from collections import Counter
from typing import Any

from vision.draw.figure import class_color
from vision.predict.demo_view import MAX_SHOWN, Control, View, chip, css_colour


class ObjectsView(View):
    """Objects above a score threshold, of results of `vision.predict.results.ObjectsResult`."""

    @property
    def control(self) -> Control:
        """The threshold."""
        return Control("Threshold", "minimum score of an object", 0.0, 1.0, 0.3, 0.01)

    def summary(self, result: Any, setting: float) -> str:
        """How many objects of which classes."""
        found: Any = self.chosen(result, setting)
        count = len(found)
        head = f"<h3>{count} object{'' if count == 1 else 's'}</h3>"
        if not count:
            more = f"; {len(result)} have lower scores" if len(result) else ""
            return f"{head}<p>None has a score of {setting:g} or more{more}.</p>"
        counts = Counter(found.labels.tolist()).most_common(MAX_SHOWN)
        names = dict(zip(found.labels.tolist(), found.label_names, strict=True))
        chips = (chip(f"{names[k]} {n}", css_colour(class_color(k))) for k, n in counts)
        return f'{head}<ul class="chips">{"".join(chips)}</ul>'
