"""A chart as a PNG picture, in light colours, with the fonts of this machine.

It draws nothing itself: resvg does. Colours and sizes come from the page's style, whose variables resvg does not know.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jptextclf.errors import SetupError

if TYPE_CHECKING:
    from jptextclf.pages.charts import Figure

_FONTS = "Hiragino Sans, Yu Gothic UI, Meiryo, Noto Sans CJK JP, Noto Sans JP, sans-serif"


def to_png(figure: Figure, *, scale: float = 2.0) -> bytes:
    """The bytes of a PNG file.

    :param scale: pixels for each unit of the chart, which is 520 units wide
    :raises SetupError: resvg is not installed (``JPT-E001``)
    """
    try:
        import resvg_py
    except ImportError as error:
        raise SetupError("E001", package="resvg-py", extra="png", what=".png") from error
    return bytes(resvg_py.svg_to_bytes(svg_string=standalone(figure), zoom=scale, background="#ffffff"))


def standalone(figure: Figure) -> str:
    """The chart as an SVG file of its own."""
    start, rest = str(figure.svg).split(">", 1)
    start = re.sub(r' style="[^"]*"', "", start)
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', start).groups()  # type: ignore[union-attr]
    size = f' xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="{_FONTS}"'
    return f"{start}{size}><style>{_style()}</style>{rest}"


@cache
def _style() -> str:
    """The rules of charts, with the colours of the light scheme in place of variables."""
    css = (resources.files(__package__) / "style.css").read_text(encoding="utf-8")
    light = css[: css.index("@media")]
    colours = dict(re.findall(r"--(\w+):(#\w+)", light))
    rules = re.findall(r"\.jp svg ([^{,]+(?:,[^{]+)?)\{([^}]*)\}", css)
    plain = ((name, body) for name, body in rules if ":" not in name and not name.startswith("a"))
    found = "".join(f"{name}{{{body}}}" for name, body in plain)
    return re.sub(r"var\(--(\w+)\)", lambda match: colours[match.group(1)], found)
