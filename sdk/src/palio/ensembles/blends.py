"""What an ensemble scores with one candidate more, for all candidates of a round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def make_blend(metric: Any, truths: Any, predictions: Iterable[Any]) -> Blend:
    """A blend of the candidates' `Predictions` of the same rows, whose truth is `truths`.

    Metrics of palio and of ramp-workflow whose candidates can be scored in one array operation are; any other is asked for each
    candidate. Predictions whose `combine` is the mean are added to a running sum; others are combined anew.
    """
    batched = batched_metric(metric, truths)
    if batched is not None:
        return MeanBlend([batched.reduce(each.y_pred) for each in predictions], batched)
    if combines_by_mean(type(truths)):
        return RunningBlend(metric, truths, list(predictions))
    return ObjectBlend(metric, truths, list(predictions))


class MeanBlend:
    """Scored by arrays: `members` are the candidates' reduced predictions, all of one shape."""

    def __init__(self, members: Sequence[Array], metric: BatchedMetric) -> None:
        self._members = members
        self._metric = metric
        self._total: Array = np.zeros_like(members[0]) if members else np.zeros(0)
        self._count = 0
        size = min(len(members), max(1, _CHUNK_BYTES // max(1, self._total.nbytes)))
        self._chunk = np.empty((size, *self._total.shape))

    def scores(self, candidates: Sequence[int]) -> Scores:
        """See `Blend`."""
        found = np.empty(len(candidates))
        for start in range(0, len(candidates), max(1, len(self._chunk))):
            part = candidates[start : start + len(self._chunk)]
            sums = self._chunk[: len(part)]
            for place, candidate in zip(sums, part):
                np.add(self._total, self._members[candidate], out=place)
            if self._count and not self._metric.is_scale_free:
                sums /= self._count + 1
            found[start : start + len(part)] = self._metric.score(sums)
        return found

    def add(self, candidate: int) -> None:
        """See `Blend`."""
        self._total += self._members[candidate]
        self._count += 1


class ObjectBlend:
    """Scored one by one by the metric itself, combined by the `Predictions` themselves."""

    def __init__(self, metric: Any, truths: Any, predictions: list[Any]) -> None:
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

    def __init__(self, metric: Any, truths: Any, predictions: list[Any]) -> None:
        super().__init__(metric, truths, predictions)
        reduce: Callable[[Array], Array] = combines_by_mean(type(truths)) or np.asarray
        self._reduced = [reduce(each.y_pred) for each in predictions]
        self._total: Array | None = None

    def add(self, candidate: int) -> None:
        """See `Blend`."""
        super().add(candidate)
        self._total = self._reduced[candidate] + (0 if self._total is None else self._total)

    def combined(self, candidate: int) -> Any:
        """See `ObjectBlend`."""
        total = self._reduced[candidate] if self._total is None else self._total + self._reduced[candidate]
        return type(self._truths)(y_pred=total / (len(self._picks) + 1))
