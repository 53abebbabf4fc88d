"""Predictions of circles in images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.circles import match
from palio.prediction_types.base import Array, BasePrediction


class DetectionPrediction(BasePrediction):
    """For each image a list of (confidence, row, column, radius), or None if nobody predicted it: (n_images,), objects.

    Of the ground truth a circle is (row, column, radius).
    """

    #: Circles that overlap by more are taken for the same one when predictions are combined.
    iou_threshold: ClassVar[float] = 0.5

    @classmethod
    def from_predicted(cls, y_pred: Any) -> Array:
        """The images, each a list; None stays None."""
        images = np.empty(len(y_pred), dtype=object)
        for number, circles in enumerate(y_pred):
            images[number] = circles
        return images

    @classmethod
    def from_truth(cls, y_true: Any) -> Array:
        """The images, each a list."""
        return cls.from_predicted(y_true)

    @classmethod
    def unpredicted(cls, n_samples: int) -> Array:
        """None for each image."""
        return np.empty(n_samples, dtype=object)

    def check_y_pred_dimensions(self) -> None:
        """Raise ValueError unless every image has a list of circles, or None."""
        for number, circles in enumerate(self.y_pred):
            if circles is None:
                continue
            wrong = None if np.ndim(circles) else f"a {type(circles).__name__}"
            widths = set() if wrong else {np.size(circle) for circle in circles}
            if wrong or not widths <= {3, 4}:
                said = wrong or f"circles of {', '.join(map(str, sorted(widths)))} numbers"
                raise ValueError(
                    f"Predictions must be a list of (confidence, row, column, radius) for each image; image {number} has {said}."
                )

    @property
    def valid_indexes(self) -> npt.NDArray[np.bool_]:
        """Which images were predicted: (n_images,), boolean."""
        return np.array([circles is not None for circles in self.y_pred], dtype=bool)

    @classmethod
    def combine(cls, predictions_list: Sequence[Self], index_list: Iterable[int] | None = None) -> Self:
        """The circles that predictions of the same images agree on; of an image that one of them predicted, that one's.

        Circles of any two predictions are matched; those that overlap by more than `iou_threshold` are the same, and so is what is
        the same as one of them. Row, column and radius are averaged with the confidences as weights (all 0: plainly), and the
        confidence is their sum by the number of predictions, also of those that lack it. What only one found is dropped.
        """
        chosen = [predictions_list[index] for index in (range(len(predictions_list)) if index_list is None else index_list)]
        images = cls.unpredicted(len(chosen[0].y_pred))
        for number in range(len(images)):
            predicted = [each.y_pred[number] for each in chosen if each.y_pred[number] is not None]
            if predicted:
                images[number] = predicted[0] if len(predicted) == 1 else cls._agreed(predicted)
        return cls(y_pred=images)

    @classmethod
    def _agreed(cls, predicted: Sequence[Any]) -> list[Array]:
        circles = [np.asarray(each, dtype=float).reshape(-1, 4) for each in predicted]
        starts = np.concatenate(([0], np.cumsum([len(each) for each in circles])))
        everything = np.concatenate(circles)
        ends: list[tuple[Array, Array]] = [(np.empty(0, dtype=int), np.empty(0, dtype=int))]
        for one, other in combinations(range(len(circles)), 2):
            of_one, of_other, shared = match(circles[one][:, 1:], circles[other][:, 1:])
            same = shared > cls.iou_threshold
            ends.append((starts[one] + of_one[same], starts[other] + of_other[same]))
        from_, to = (np.concatenate(side) for side in zip(*ends))
        size = len(everything)
        _, groups = connected_components(coo_array((np.ones(len(from_)), (from_, to)), shape=(size, size)), directed=False)
        of_several = sorted({groups[circle] for circle in from_}, key=lambda group: int(np.argmax(groups == group)))
        return [_merged(everything[groups == group], len(predicted)) for group in of_several]


def _merged(circles: Array, n_predictions: int) -> Array:
    confidence = circles[:, 0]
    if confidence.sum() == 0:
        return np.asarray(circles.mean(axis=0))
    return np.concatenate(([confidence.sum() / n_predictions], np.average(circles[:, 1:], axis=0, weights=confidence)))


def make_detection() -> type[DetectionPrediction]:
    """The class of a kit's `Predictions` for detection."""
    return DetectionPrediction
