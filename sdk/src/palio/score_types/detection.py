"""Metrics of circles found in images, such as craters.

All take `y_true`: (n_images,), of lists of (row, column, radius); and `y_pred`: (n_images,), of lists of (confidence, row, column,
radius). All but the average precision look at what was found with more than a confidence. Where a `minipatch` is given,
(row from, row to, column from, column to), only circles whose centres lie in it count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from palio.circles import as_circles, match, overlaps
from palio.prediction_types.base import Array
from palio.score_types.base import BaseScoreType

#: Circles of each image: (n, 3) of row, column, radius.
Images = Sequence[Array]
Minipatch = Sequence[float]


class DetectionScoreType(BaseScoreType):
    """A metric of what was found with enough confidence: derived ones define `detection_score`."""

    def __init__(
        self, name: str | None = None, precision: int = 3, conf_threshold: float = 0.5, minipatch: Minipatch | None = None
    ) -> None:
        super().__init__(name, precision)
        self.conf_threshold = conf_threshold
        self.minipatch = minipatch

    def __call__(self, y_true: Any, y_pred: Any, conf_threshold: float | None = None) -> float:
        """The score of what was found with more than the confidence given, or than the metric's own."""
        least = self.conf_threshold if conf_threshold is None else conf_threshold
        found = [as_circles([circle[1:] for circle in image if circle[0] > least]) for image in y_pred]
        return self.detection_score([as_circles(image) for image in y_true], found)

    def detection_score(self, y_true: Images, y_pred: Images) -> float:  # noqa: ARG002 - what derived metrics take
        """The score of what was found against what is there."""
        raise TypeError(f"{type(self).__name__} must define detection_score(self, y_true, y_pred).")

    def in_minipatch(self, circles: Array) -> Array:
        """Which circles count: (n,), boolean."""
        if self.minipatch is None:
            return np.ones(len(circles), dtype=bool)
        row_from, row_to, column_from, column_to = self.minipatch
        rows, columns = circles[:, 0], circles[:, 1]
        return np.asarray((rows >= row_from) & (rows < row_to) & (columns >= column_from) & (columns < column_to))

    def counted(self, images: Images) -> list[Array]:
        """The circles that count, of each image."""
        return [circles[self.in_minipatch(circles)] for circles in images]


class OSPA(DetectionScoreType):
    """Optimal subpattern assignment: 1 - the overlaps of the best pairs, as a share of all circles: in [0, 1], lower is better.

    With the pairs that have the largest sum of overlaps: 1 - 2 sum(overlap) / (number true + number found), counting each circle
    of a pair by itself where a minipatch is given. Nothing there and nothing found is 0. Schuhmacher, Vo, Vo, A consistent metric for
    performance evaluation of multi-object filters, 2008.
    """

    is_lower_the_better: bool = True
    default_name: ClassVar[str] = "ospa"

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        overlap, n_circles = 0.0, 0
        for true, found in zip(y_true, y_pred):
            true_counts, found_counts = self.in_minipatch(true), self.in_minipatch(found)
            n_circles += int(true_counts.sum() + found_counts.sum())
            of_true, of_found, shared = match(true, found)
            overlap += float(shared[true_counts[of_true]].sum() + shared[found_counts[of_found]].sum())
        return 1 - overlap / n_circles if n_circles else 0.0


class SCP(DetectionScoreType):
    """Difference of two maps on which each circle is a disc of sum 1, by the sum of both: in [0, 1], lower is better.

    `shape`: (rows, columns) of an image. A disc holds the pixels that are closer to its centre than its radius; where the maps
    agree, true and found circles cancel out. NaN when nothing is there and nothing was found.
    """

    is_lower_the_better: bool = True
    default_name: ClassVar[str] = "scp"

    def __init__(
        self,
        shape: tuple[int, int],
        name: str | None = None,
        precision: int = 3,
        conf_threshold: float = 0.5,
        minipatch: Minipatch | None = None,
    ) -> None:
        super().__init__(name, precision, conf_threshold, minipatch)
        self.shape = shape

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        difference = total = 0.0
        for true, found in zip(y_true, y_pred):
            true_map, found_map = self._map(true), self._map(found)
            difference += float(np.abs(true_map - found_map).sum())
            total += float(true_map.sum() + found_map.sum())
        return difference / total if total else float("nan")

    def _map(self, circles: Array) -> Array:
        pixels = np.zeros(self.shape)
        for row, column, radius in circles:
            # Only where the disc may be: an image may be large.
            rows = _pixels(row, radius, self.shape[0])
            columns = _pixels(column, radius, self.shape[1])
            if radius > 0:
                inside = ((rows[:, None] - row) / radius) ** 2 + ((columns[None, :] - column) / radius) ** 2 < 1
                pixels[np.ix_(rows, columns)] += inside / max(int(inside.sum()), 1)
        if self.minipatch is None:
            return pixels
        row_from, row_to, column_from, column_to = (int(edge) for edge in self.minipatch)
        return pixels[row_from:row_to, column_from:column_to]


def _pixels(centre: float, radius: float, size: int) -> Array:
    return np.arange(max(int(np.ceil(centre - radius)), 0), min(int(np.floor(centre + radius)), size - 1) + 1)


class _PairScoreType(DetectionScoreType):
    """A metric of the best pairs that overlap enough."""

    def __init__(
        self,
        name: str | None = None,
        precision: int = 3,
        conf_threshold: float = 0.5,
        minipatch: Minipatch | None = None,
        iou_threshold: float = 0.5,
    ) -> None:
        super().__init__(
            f"{self.default_name}(IOU={iou_threshold})" if name is None else name, precision, conf_threshold, minipatch
        )
        self.iou_threshold = iou_threshold

    def n_pairs(self, y_true: Images, y_pred: Images) -> int:
        """How many of the best pairs overlap by more than the threshold."""
        return sum(int(np.count_nonzero(match(true, found)[2] > self.iou_threshold)) for true, found in zip(y_true, y_pred))

    def pairs(self, y_true: Images, y_pred: Images) -> tuple[Array, Array]:
        """The true and the found circles of the pairs that overlap by the threshold or more: (n_pairs, 3) each."""
        true_ones, found_ones = [np.empty((0, 3))], [np.empty((0, 3))]
        for true, found in zip(self.counted(y_true), y_pred):
            of_true, of_found, shared = match(true, found)
            enough = shared >= self.iou_threshold
            true_ones.append(true[of_true[enough]])
            found_ones.append(found[of_found[enough]])
        return np.concatenate(true_ones), np.concatenate(found_ones)


class DetectionPrecision(_PairScoreType):
    """Share of the circles found that are there: in [0, 1], higher is better. NaN when none was found."""

    default_name: ClassVar[str] = "precision"

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        counted = self.counted(y_pred)
        return _share(self.n_pairs(y_true, counted), sum(map(len, counted)))


class DetectionRecall(_PairScoreType):
    """Share of the circles that are there that were found: in [0, 1], higher is better. NaN when none is there."""

    default_name: ClassVar[str] = "recall"

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        counted = self.counted(y_true)
        return _share(self.n_pairs(counted, y_pred), sum(map(len, counted)))


class MADCenter(_PairScoreType):
    """Mean distance of a pair's centres, in radii of the true circle: from 0 up, lower is better. NaN without pairs."""

    is_lower_the_better: bool = True
    maximum = float("inf")
    default_name: ClassVar[str] = "mad_center"

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        true, found = self.pairs(y_true, y_pred)
        return _mean(np.hypot(*(found - true)[:, :2].T) / true[:, 2])


class MADRadius(_PairScoreType):
    """Mean difference of a pair's radii, in radii of the true circle: from 0 up, lower is better. NaN without pairs."""

    is_lower_the_better: bool = True
    maximum = float("inf")
    default_name: ClassVar[str] = "mad_radius"

    def detection_score(self, y_true: Images, y_pred: Images) -> float:
        """See the class."""
        true, found = self.pairs(y_true, y_pred)
        return _mean(np.abs((found - true)[:, 2] / true[:, 2]))


class DetectionAveragePrecision(BaseScoreType):
    """Area under the curve of precision over recall, as the confidence falls: in [0, 1], higher is better.

    The circles found, most confident first (of equal ones the last in the order of images), are each given to the true circle that
    they overlap most, if by more than the threshold and if it was not given away before. Precision is made monotone, and the area is
    exact: Everingham et al., The Pascal visual object classes challenge, 2010. NaN when nothing is there.
    """

    default_name: ClassVar[str] = "average_precision"

    def __init__(self, name: str | None = "average_precision", precision: int = 3, iou_threshold: float = 0.5) -> None:
        super().__init__(f"{self.default_name}(IOU={iou_threshold})" if name is None else name, precision)
        self.iou_threshold = iou_threshold

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """See the class."""
        found = [(circle[0], image, circle[1:]) for image, circles in enumerate(y_pred) for circle in circles]
        if not found:
            return 0.0
        n_true = sum(map(len, y_true))
        if not n_true:
            return float("nan")
        order = np.argsort([confidence for confidence, _, _ in found], kind="stable")[::-1]
        is_right = self._is_right(y_true, [found[position][1:] for position in order])
        n_right = np.cumsum(is_right)
        precision = np.maximum.accumulate((n_right / np.arange(1, len(n_right) + 1))[::-1])[::-1]
        # Recall rises by 1 / n_true with each right one.
        return float(precision[is_right].sum() / n_true)

    def _is_right(self, y_true: Any, found: Sequence[tuple[int, Any]]) -> Array:
        given: set[tuple[int, int]] = set()
        right = np.zeros(len(found), dtype=bool)
        for number, (image, circle) in enumerate(found):
            if not len(y_true[image]):
                continue
            shared = overlaps([circle], y_true[image])[0]
            best = int(np.argmax(shared))
            if shared[best] > self.iou_threshold and (image, best) not in given:
                given.add((image, best))
                right[number] = True
        return right


#: RAMP has it under both names.
AverageDetectionPrecision = DetectionAveragePrecision


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")
