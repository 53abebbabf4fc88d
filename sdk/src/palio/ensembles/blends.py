"""What an ensemble scores with one candidate more, for all candidates of a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Callable, Protocol

import numpy as np

from .batched import batched_metric, combines_by_mean

if TYPE_CHECKING:
    from .batched import Array, BatchedMetric, Scores

#: Candidates are worked on in chunks of about so many bytes: what a processor's cache holds.
_CHUNK_BYTES = 1 << 22


class Blend(Protocol):
    """An ensemble that grows."""

    def scores(self, candidates: Sequence[int]) -> Scores:
        """The score of the ensemble with each of these added: (n,); NaN where the metric fails."""

    def add(self, candidate: int) -> None:
        """Add one for good."""


def make_blend(metric: Any, truths: Any, predictions: Sequence[Any]) -> Blend:
    """A blend of the candidates' `Predictions` of the same rows, whose truth is `truths`. They are asked for when they are needed.

    Metrics of palio and of ramp-workflow whose candidates can be scored in one array operation are; any other is asked for each
    candidate. Predictions whose `combine` is the mean are added to a running sum; others are combined anew.
    """
    batched = batched_metric(metric, truths)
    if batched is not None:
        return MeanBlend(predictions, batched)
    reduce = combines_by_mean(type(truths))
    if reduce is not None:
        return RunningBlend(metric, truths, predictions, reduce)
    return ObjectBlend(metric, truths, predictions)


def growing(truths: Any, predictions: Sequence[Any], picks: Sequence[int]) -> Iterator[Any]:
    """The ensemble of the first pick, of the first two, and so on, as `Predictions` of the class of `truths`.

    What `combine` gives of the same picks, one after the other in memory where it takes the mean.
    """
    reduce = combines_by_mean(type(truths))
    blend = ObjectBlend(None, truths, predictions) if reduce is None else RunningBlend(None, truths, predictions, reduce)
    for pick in picks:
        yield blend.combined(pick)
        blend.add(pick)


class MeanBlend:
    """Scored by arrays, a chunk of candidates at a time."""

    def __init__(self, predictions: Sequence[Any], metric: BatchedMetric) -> None:
        self._predictions = predictions
        self._metric = metric
        self._reduced: dict[int, Array] = {}
        self._picks: list[int] = []
        self._total: Array | None = None

    def scores(self, candidates: Sequence[int]) -> Scores:
        """See `Blend`."""
        found = np.empty(len(candidates))
        if not len(candidates):
            return found
        first = self._member(candidates[0])
        size = min(len(candidates), max(1, _CHUNK_BYTES // max(1, first.nbytes)))
        total = np.zeros((), first.dtype) if self._total is None else self._total
        # In the type that `combine` would add them up in.
        chunk = np.empty((size, *first.shape), np.result_type(total, *{self._member(each).dtype for each in candidates}))
        for start in range(0, len(candidates), size):
            part = candidates[start : start + size]
            sums = chunk[: len(part)]
            for place, candidate in enumerate(part):
                np.add(total, self._member(candidate), out=sums[place])
            if self._picks:
                sums /= len(self._picks) + 1
            found[start : start + size] = self._metric.score(sums)
        return found

    def add(self, candidate: int) -> None:
        """See `Blend`."""
        self._picks.append(candidate)
        self._total = self._member(candidate) if self._total is None else self._total + self._member(candidate)

    def _member(self, candidate: int) -> Array:
        if candidate not in self._reduced:
            self._reduced[candidate] = self._metric.reduce(self._predictions[candidate].y_pred)
        return self._reduced[candidate]


class ObjectBlend:
    """Scored one by one by the metric itself, combined by the `Predictions` themselves."""

    def __init__(self, metric: Any, truths: Any, predictions: Sequence[Any]) -> None:
        self._metric = metric
        self._truths = truths
        self._predictions = predictions
        self._picks: list[int] = []

    def scores(self, candidates: Sequence[int]) -> Scores:
        """See `Blend`."""
        return np.array([self._score(candidate) for candidate in candidates], dtype=np.float64)

    def add(self, candidate: int) -> None:
        """See `Blend`."""
        self._picks.append(candidate)

    def combined(self, candidate: int) -> Any:
        """The ensemble with this candidate, as `Predictions`."""
        return type(self._truths).combine([self._predictions[each] for each in (*self._picks, candidate)])

    def _score(self, candidate: int) -> float:
        try:
            return float(self._metric.score_function(self._truths, self.combined(candidate)))
        except Exception:  # noqa: BLE001 - whatever a kit's metric raises
            return float("nan")


class RunningBlend(ObjectBlend):
    """Scored one by one; the mean is taken from a running sum."""

    def __init__(self, metric: Any, truths: Any, predictions: Sequence[Any], reduce: Callable[[Array], Array]) -> None:
        super().__init__(metric, truths, predictions)
        self._reduce = reduce
        self._total: Array | None = None

    def add(self, candidate: int) -> None:
        """See `Blend`."""
        super().add(candidate)
        self._total = self._with(candidate)

    def combined(self, candidate: int) -> Any:
        """See `ObjectBlend`."""
        return type(self._truths)(y_pred=self._with(candidate) / (len(self._picks) + 1))

    def _with(self, candidate: int) -> Array:
        # Not kept: a metric of this kind takes longer for a candidate than reading it again does.
        reduced = self._reduce(self._predictions[candidate].y_pred)
        return reduced if self._total is None else self._total + reduced
