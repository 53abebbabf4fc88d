"""Metrics of combined predictions (`make_combined`): of one part, or of several with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from palio.score_types.base import BaseScoreType
from palio.score_types.labels import ClassificationError
from palio.score_types.regression import MARE


class MakeCombined(BaseScoreType):
    """A metric of part `index` of combined predictions; name, precision, range and direction are that metric's."""

    def __init__(self, score_type: BaseScoreType, index: int) -> None:
        super().__init__(score_type.name, score_type.precision)
        self.score_type = score_type
        self.index = index
        self.is_lower_the_better = score_type.is_lower_the_better
        self.minimum = score_type.minimum
        self.maximum = score_type.maximum

    def score_function(self, ground_truths: Any, predictions: Any) -> float:
        """The score of that part."""
        return float(
            self.score_type.score_function(ground_truths.predictions_list[self.index], predictions.predictions_list[self.index])
        )


class Combined(BaseScoreType):
    """Sum of the weighted scores of all parts: `score_types[i]` of part i, times `weights[i]`.

    Its range is the weighted sum of theirs. Raises ValueError unless there is a weight for each, and all have the same direction.
    """

    default_name: ClassVar[str] = "combined"

    def __init__(
        self, score_types: Sequence[BaseScoreType], weights: Sequence[float], name: str | None = None, precision: int = 2
    ) -> None:
        super().__init__(name, precision)
        if len(score_types) != len(weights) or not score_types:
            raise ValueError(
                f"Combined needs a weight for each metric; it got {len(score_types)} metrics and {len(weights)} weights."
            )
        if len({metric.is_lower_the_better for metric in score_types}) != 1:
            raise ValueError(
                "Combined can't add metrics of which some are better when they are lower and others when they are higher."
            )
        self.score_types = list(score_types)
        self.weights = list(weights)
        self.is_lower_the_better = score_types[0].is_lower_the_better
        self.minimum = sum(weight * metric.minimum for weight, metric in zip(weights, score_types))
        self.maximum = sum(weight * metric.maximum for weight, metric in zip(weights, score_types))

    def score_function(self, ground_truths: Any, predictions: Any) -> float:
        """The weighted sum."""
        parts = zip(self.weights, self.score_types, ground_truths.predictions_list, predictions.predictions_list)
        return float(sum(weight * metric.score_function(truth, predicted) for weight, metric, truth, predicted in parts))


class ErrorMixed(MakeCombined):
    """Classification error of the first part: the class of a mixture of class and number (RAMP's older `error_mixed`)."""

    def __init__(self, name: str = "error_mixed", precision: int = 2) -> None:
        super().__init__(ClassificationError(name=name, precision=precision), 0)


class MAREMixed(MakeCombined):
    """Mean absolute relative error of the second part: the number of such a mixture (RAMP's older `mare_mixed`)."""

    def __init__(self, name: str = "mare_mixed", precision: int = 2) -> None:
        super().__init__(MARE(name=name, precision=precision), 1)


class ErrorMAREMixed(Combined):
    """2/3 of the first part's classification error and 1/3 of the second's MARE (RAMP's older `error_mare_mixed`)."""

    def __init__(self, name: str = "error_mare_mixed", precision: int = 2) -> None:
        super().__init__([ClassificationError(), MARE()], [2 / 3, 1 / 3], name, precision)
