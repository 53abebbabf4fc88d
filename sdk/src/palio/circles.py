"""Circles in images: how much two overlap, and which of two sets belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Array = npt.NDArray[Any]


def as_circles(circles: Any) -> Array:
    """Circles as an array (n, 3) of row, column, radius. Raises ValueError unless they are that, with radii of at least 0."""
    array = np.asarray(circles, dtype=float)
    if array.size == 0:
        return np.empty((0, 3))
    if array.ndim != 2 or array.shape[1] != 3:  # noqa: PLR2004 - row, column, radius
        raise ValueError(f"A circle is three numbers: row, column, radius; these have the shape {array.shape}.")
    if (array[:, 2] < 0).any():
        raise ValueError(f"A circle's radius must be at least 0; one is {array[:, 2].min()}.")
    return array


def overlaps(first: Any, second: Any) -> Array:
    """Intersection over union of each circle of the first set, (n, 3), with each of the second, (m, 3): (n, m), in [0, 1].

    The area of the lens between two circles: https://mathworld.wolfram.com/Circle-CircleIntersection.html. Two points have 0.
    """
    first, second = as_circles(first), as_circles(second)
    r, s = np.broadcast_arrays(first[:, None, 2], second[None, :, 2])
    distance = np.hypot(first[:, None, 0] - second[None, :, 0], first[:, None, 1] - second[None, :, 1])
    inside = distance <= np.abs(r - s)
    lens = ~inside & (distance < r + s)
    area = np.where(inside, np.pi * np.minimum(r, s) ** 2, 0.0)
    area[lens] = _lens(distance[lens], r[lens], s[lens])
    union = np.pi * (r**2 + s**2) - area
    return np.asarray(np.divide(area, union, out=np.zeros(area.shape), where=union > 0))


def _lens(d: Array, r: Array, s: Array) -> Array:
    sectors = r**2 * np.arccos((d**2 + r**2 - s**2) / (2 * d * r)) + s**2 * np.arccos((d**2 + s**2 - r**2) / (2 * d * s))
    kite = 0.5 * np.sqrt((-d + r + s) * (d + r - s) * (d - r + s) * (d + r + s))
    return np.asarray(sectors - kite)


def match(first: Any, second: Any) -> tuple[Array, Array, Array]:
    """The pairs of two sets of circles with the largest sum of overlaps, each circle in one pair at most.

    Returns positions in the first set, in the second, and the overlap, each (min(n, m),). Kuhn, The Hungarian method for the
    assignment problem, 1955.
    """
    table = overlaps(first, second)
    rows, columns = linear_sum_assignment(1 - table)
    return rows, columns, table[rows, columns]
