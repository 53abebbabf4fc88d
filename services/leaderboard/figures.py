"""What follows from one submission's scores, each worked out once: boards are put in order again and again, scores stay as they are."""

from collections.abc import Mapping

from services.leaderboard.spread import Spread, spread_of, within_noise
from shared.events import ScoreComputed
from shared.final_scores import RankedSplit, ScoreKind, final_scores, fold_scores


class Figures:
    """Of one `ScoreComputed`. For any thread: what two of them work out at once is the same."""

    def __init__(self, score: ScoreComputed) -> None:
        self._score = score
        self._final: dict[tuple[RankedSplit, ScoreKind], Mapping[str, float | None]] = {}
        self._folds: dict[tuple[str, RankedSplit], list[float] | None] = {}
        self._spreads: dict[tuple[str, RankedSplit], Spread] = {}
        #: The last neighbour that it was compared with, and the mark: most rows keep theirs when another one comes in.
        self._beside: dict[tuple[str, RankedSplit], tuple[Figures, bool | None]] = {}

    def final(self, split: RankedSplit, score_kind: ScoreKind) -> Mapping[str, float | None]:
        """As `final_scores`."""
        key = split, score_kind
        if key not in self._final:
            self._final[key] = final_scores(self._score, split, score_kind)
        return self._final[key]

    def folds(self, metric: str, split: RankedSplit) -> list[float] | None:
        """As `fold_scores`."""
        key = metric, split
        if key not in self._folds:
            self._folds[key] = fold_scores(self._score, metric, split)
        return self._folds[key]

    def spread(self, metric: str, split: RankedSplit) -> Spread:
        """As `spread_of` the folds' scores."""
        key = metric, split
        if key not in self._spreads:
            self._spreads[key] = spread_of(self.folds(metric, split))
        return self._spreads[key]

    def within_noise_of(self, below: "Figures", metric: str, split: RankedSplit) -> bool | None:
        """As `within_noise` of the folds' scores of both."""
        key = metric, split
        known = self._beside.get(key)
        if known is None or known[0] is not below:
            known = self._beside[key] = below, within_noise(self.folds(metric, split), below.folds(metric, split))
        return known[1]
