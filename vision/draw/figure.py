"""Helpers of all pictures: figures, PNG files, colours.

Figures are drawn through matplotlib's object interface with the Agg canvas, so that no global state
is touched and no display is needed. matplotlib is imported on use.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.draw.palette import COUNT, distinct_colors
from vision.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1f2933"
FAINT = "#7b8794"
RIGHT = "#1a7f4b"
WRONG = "#c62f2f"
DPI = 150
POINTS_PER_INCH = 72
# Shares of black and of white in the colours of the objects of one class.
SHADES = ((0.0, 0.0), (0.3, 0.0), (0.0, 0.35))


def new_figure(width_in: float, height_in: float) -> "Figure":
    """An empty white figure of a size in inches, whose parts are laid out without overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    figure = Figure(figsize=(width_in, height_in), facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: "Figure", path: Path | str) -> Path:
    """Write a figure as PNG, whole or not at all; its folder is made. Returns the path."""
    path = Path(path)
    replace_file(path, lambda place: figure.savefig(place, format="png", dpi=DPI))
    return path


def class_color(label: int, instance: int = 0) -> tuple[int, int, int]:
    """The colour of a class, the same in every picture.

    Args:
        label: Class index.
        instance: Number of the object within its class in the picture: a few shades in turn tell
            neighbours apart.

    Returns:
        RGB in [0, 255].
    """
    return shade(distinct_colors()[label % COUNT], instance)


def shade(color: tuple[int, int, int], instance: int) -> tuple[int, int, int]:
    """The colour of an object of a class.

    Args:
        color: RGB of the class in [0, 255].
        instance: As in `class_color`.
    """
    black, white = SHADES[instance % len(SHADES)]
    red, green, blue = (round((1 - black) * (part + white * (255 - part))) for part in color)
    return red, green, blue


def text_width_in(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Width in inches of a line of text in a figure."""
    measured_px = 100
    return font(measured_px, bold=bold).getlength(text) * size_pt / measured_px / POINTS_PER_INCH


@cache
def font(size_px: int, *, bold: bool = True) -> Any:
    """A typeface with the letters of most scripts, for `PIL.ImageDraw`."""
    # It comes with matplotlib.
    from matplotlib import get_data_path
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size_px)
