"""Plots as SVG: where each mark stands, and what stands at the axes. Pure; a template writes it down.

Our own few lines, since libraries that draw SVG without a browser (pygal, leather, matplotlib) write styles and scripts into it, which
the portal's content security policy forbids, or weigh more than the portal.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

#: Units of the picture; a browser scales it.
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 36
#: Marks that would fall onto each other are drawn once; beyond so many, every n-th is, and the page stays light.
MAX_MARKS = 1_500
MAX_LINES = 8
DAY_S = 86_400


@dataclass(frozen=True)
class Mark:
    """A point in the picture, and what it is called."""

    x: float
    y: float
    words: str
    is_special: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points, and what it is called. `number`, from 0, chooses its colour and dashes."""

    number: int
    words: str
    path: str


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in the picture, and its label."""

    at: float
    words: str


@dataclass(frozen=True)
class Picture:
    """A plot, ready to be written down. `description` says in words what is to be seen."""

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    marks: Sequence[Mark] = ()
    lines: Sequence[Line] = ()
    front: str = ""
    bars: Sequence[Mark] = ()
    bar_width: float = 0
    #: Not every point is drawn, since there are so many.
    is_thinned: bool = False


@dataclass(frozen=True)
class Scale:
    """From numbers to the picture along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a number stands, rounded to a tenth of a unit; at the end, if it is beyond."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def across(values: Iterable[float]) -> Scale:
    """From left to right."""
    return Scale(*_bounds(values), LEFT, WIDTH - RIGHT)


#: From so much on, or with so many digits after the point, a number beside an axis is written with a power of ten.
_LONG_NUMBER, _MAX_DECIMALS = 1e9, 9
_LARGEST = 1e300


def upwards(values: Iterable[float]) -> Scale:
    """From bottom to top."""
    return Scale(*_bounds(values), HEIGHT - BOTTOM, TOP)


def _bounds(values: Iterable[float]) -> tuple[float, float]:
    """From the least to the most, with a little room, so that no mark is cut; a room of its own for a single value."""
    # Beyond that, room and ticks leave what a float can say.
    finite = [min(max(value, -_LARGEST), _LARGEST) for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * 0.04 or abs(low) * 0.04 or 1.0
    return low - room, high + room


def number_ticks(scale: Scale, n_wanted: int = 5) -> list[Tick]:
    """Round numbers along an axis: steps of 1, 2 or 5 times a power of ten."""
    raw = (scale.high - scale.low) / n_wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    decimals = max(0, -math.floor(math.log10(step)))
    first = math.ceil(scale.low / step)
    last = math.floor(scale.high / step)
    is_short = max(abs(scale.low), abs(scale.high)) < _LONG_NUMBER and decimals <= _MAX_DECIMALS
    format_ = f",.{decimals}f" if is_short else ".4g"
    return [Tick(scale(number * step), f"{number * step + 0.0:{format_}}") for number in range(first, last + 1)]


def time_ticks(scale: Scale, n_wanted: int = 4) -> list[Tick]:
    """Moments along an axis of seconds since 1970: days, or hours where there are few days."""
    format_ = "%-d %b" if scale.high - scale.low > 2 * DAY_S else "%-d %b, %H:%M"
    moments = [scale.low + (scale.high - scale.low) * (number + 0.5) / n_wanted for number in range(n_wanted)]
    return [Tick(scale(moment), datetime.fromtimestamp(moment, UTC).strftime(format_)) for moment in moments]


def thinned(marks: Sequence[Mark]) -> tuple[list[Mark], bool]:
    """Marks without those under others, special ones last, so that they lie on top; and whether some were left out beyond that."""
    seen = {(round(mark.x / 2), round(mark.y / 2)): mark for mark in marks if not mark.is_special}
    plain = list(seen.values())
    stride = math.ceil(len(plain) / MAX_MARKS) or 1
    return [*plain[::stride], *(mark for mark in marks if mark.is_special)], stride > 1


def stairs(points: Sequence[tuple[float, float]], until: float | None = None) -> str:
    """A path that keeps its height until the next point: what is the best so far stays so."""
    if not points:
        return ""
    (x, y), *others = points
    path = f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in others)
    return path if until is None else f"{path}H{until}"


def straight(points: Sequence[tuple[float, float]]) -> str:
    """A path from point to point."""
    return "".join(f"{'L' if number else 'M'}{x} {y}" for number, (x, y) in enumerate(points))
