"""Charts: plain values -> a figure, which is SVG with the figures behind it.

Each function takes the name of the figure, its title in the language of now, and its values; it never fails on values
that are no numbers, on no values at all, or on names from data.
"""

from jptextclf.pages.charts._drawing import Figure, FigureTable, figure
from jptextclf.pages.charts.lines import (
    Mark,
    ReliabilityBin,
    Series,
    ThresholdPoint,
    lines,
    reliability,
    threshold_explorer,
)
from jptextclf.pages.charts.matrix import confusion_matrix
from jptextclf.pages.charts.rows import Bar, Range, bars, histogram, intervals

__all__ = [
    "Bar",
    "Figure",
    "FigureTable",
    "Mark",
    "Range",
    "ReliabilityBin",
    "Series",
    "ThresholdPoint",
    "bars",
    "confusion_matrix",
    "figure",
    "histogram",
    "intervals",
    "lines",
    "reliability",
    "threshold_explorer",
]
