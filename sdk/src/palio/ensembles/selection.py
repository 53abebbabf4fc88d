"""Greedy selection of an ensemble, with replacement.

Caruana, Niculescu-Mizil, Crew, Ksikes: Ensemble selection from libraries of models, 2004. Pure: what an ensemble scores is the
`Blend`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .batched import Scores
    from .blends import Blend


@dataclass(frozen=True)
class Rules:
    """When to stop: at so many picks, or when none improves the score by more than this, in the metric's unit."""

    max_members: int = 80
    min_improvement: float = 0.0
    is_lower_the_better: bool = False


@dataclass(frozen=True)
class Selection:
    """Candidates in the order picked, some perhaps often; `scores[k]` is that of the first k + 1 combined."""

    picks: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Earlier:
    """What was picked from the same candidates without the fresh ones, under the same rules."""

    picks: tuple[int, ...]
    fresh: tuple[int, ...]


def select(blend: Blend, n_candidates: int, rules: Rules, earlier: Earlier | None = None) -> Selection:
    """Begin with the best candidate; add the one with which the ensemble scores best, as long as that is an improvement.

    Of equal ones the first is taken, so the result depends on nothing but the order of candidates. (RAMP raises its threshold while it
    looks, so with a minimal improvement its picks depend on more than the scores.) A candidate whose score is NaN is not taken.

    With `earlier` the result is the same, and only what fresh candidates can change is looked at: as long as none of them beats the
    earlier pick of a round, all others have lost it before.
    """
    sign = -1.0 if rules.is_lower_the_better else 1.0
    picks: list[int] = []
    scores: list[float] = []
    while len(picks) < rules.max_members:
        rivals = _rivals(earlier, len(picks), n_candidates)
        gains = _gains(sign, blend.scores(rivals))
        least = -np.inf if not scores else sign * scores[-1] + rules.min_improvement
        if not rivals or not gains.max() > least:
            break
        # Rivals are in their order, and the first of equal ones is found.
        winner = int(gains.argmax())
        if earlier is not None and (len(picks) >= len(earlier.picks) or rivals[winner] != earlier.picks[len(picks)]):
            earlier = None
        picks.append(rivals[winner])
        scores.append(sign * float(gains[winner]))
        blend.add(rivals[winner])
    return Selection(tuple(picks), tuple(scores))


def _rivals(earlier: Earlier | None, step: int, n_candidates: int) -> list[int]:
    """Who may win this round."""
    if earlier is None:
        return list(range(n_candidates))
    if step == len(earlier.picks):
        return sorted(earlier.fresh)
    return sorted({earlier.picks[step], *earlier.fresh})


def _gains(sign: float, scores: Scores) -> Scores:
    return np.where(np.isnan(scores), -np.inf, sign * scores)


def contributivity(folds: Sequence[Sequence[int]]) -> dict[int, float]:
    """Each candidate's share of the picks, averaged over folds: they sum to 1. Folds without any pick are left out."""
    chosen = [picks for picks in folds if picks]
    shares: dict[int, float] = {}
    for picks in chosen:
        for pick in picks:
            shares[pick] = shares.get(pick, 0.0) + 1 / (len(picks) * len(chosen))
    return shares
