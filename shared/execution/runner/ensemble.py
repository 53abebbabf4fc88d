"""Role `ensemble`: which submissions of a challenge to combine, for each fold, and what that scores.

The sandbox holds the labels, the kit, and the predictions of all candidates as files that are mapped, one fold at a time.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .bagging import Bag, Book
from .channel import Channel
from .faults import whole_traceback, words_of
from .score import Ready, read_predictions

_MEMBERS = Path("/members")
#: Up to here the curve has a point for each number of members, and then about so many to a doubling.
_DENSE, _TO_A_DOUBLING = 10, 4

#: The SDK's `palio.ensembles`, here whatever the kit's environment has.
_SELECTION = Path("/selection")


class _Predictions(Sequence):  # type: ignore[type-arg]  # Python 3.8 has no parameters for it
    """The candidates' Predictions of one fold and part, read when they are asked for."""

    def __init__(self, make: Any, members: list[str], fold: int, part: str, rows: Any) -> None:
        self._make = make
        self._members = members
        self._fold = fold
        self._part = part
        self._rows = rows

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: Any) -> Any:
        values = read_predictions(_MEMBERS / self._members[index] / str(self._fold), self._part)
        return self._make(y_pred=values, fold_is=self._rows) if self._rows is not None else self._make(y_pred=values)


class Selecting:
    """What a job needs: the code that selects, and the kit with its labels."""

    def __init__(self, ensembles: Any, ready: Ready) -> None:
        self.ensembles = ensembles
        self.ready = ready

    @classmethod
    def load(cls) -> Selecting:
        """From their mounts; the kit last."""
        source = _SELECTION / "__init__.py"
        spec = importlib.util.spec_from_file_location("palio_selection", source, submodule_search_locations=[str(_SELECTION)])
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a path that ends in .py has both
        ensembles = importlib.util.module_from_spec(spec)
        # Its modules import each other as parts of a package of this name.
        sys.modules["palio_selection"] = ensembles
        spec.loader.exec_module(ensembles)
        return cls(ensembles, Ready.load())


def run(selecting: Selecting, job: dict[str, Any], channel: Channel) -> None:
    """Select, and send `ensemble.json`, or `fault.json` if the kit cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _ensemble(selecting, job)
    except Exception as error:  # noqa: BLE001 - whatever a kit's classes raise
        channel.send_json("fault.json", {"reason": words_of(error), "traceback": whole_traceback(error)})
        return
    channel.send_json("ensemble.json", found)


def _ensemble(selecting: Selecting, job: dict[str, Any]) -> dict[str, Any]:
    """`picks` of each fold; and, unless they are what was known already, their scores and the curve."""
    ready = selecting.ready
    picks = [_picks(selecting, job, fold) for fold in range(int(job["n_folds"]))]
    known = job["known"]
    if known is not None and picks == known["picks"]:
        return {"picks": picks, "scores": None}
    book = Book()
    metrics = list(ready.problem.score_types)
    longest = max(map(len, picks), default=0)
    ensembles = _Ensembles(selecting, job["members"], picks)
    whole, curve = [], []
    for n_members in _curve_points(longest):
        is_whole = n_members in (1, longest)
        scores = ensembles.scores(metrics if is_whole else metrics[:1], n_members, book)
        curve.append({"n_members": n_members, "valid": scores[0]["valid"], "test": scores[0]["test"]})
        if is_whole:
            whole.append(scores)
    if not whole:
        return {"picks": picks, "scores": None}
    return {
        "picks": picks,
        "scores": {"foldwise_best": whole[0], "combined": whole[-1], "curve": curve, "problems": book.problems},
    }


def _picks(selecting: Selecting, job: dict[str, Any], fold: int) -> list[int]:
    ensembles, ready = selecting.ensembles, selecting.ready
    make, metric = ready.problem.Predictions, ready.problem.score_types[0]
    rows = ready.folds[fold][1]
    truths = make(y_true=ready.y_train, fold_is=rows)
    rules = ensembles.Rules(job["max_members"], job["min_improvement"], bool(metric.is_lower_the_better))
    known = job["known"]
    earlier = ensembles.Earlier(tuple(known["picks"][fold]), tuple(known["fresh"])) if known is not None else None
    blend = ensembles.make_blend(metric, truths, _Predictions(make, job["members"], fold, "train", rows))
    return list(ensembles.select(blend, len(job["members"]), rules, earlier).picks)


class _Ensembles:
    """The folds' ensembles of their first so many picks, bagged; asked for ever more."""

    def __init__(self, selecting: Selecting, members: list[str], picks: list[list[int]]) -> None:
        self._ready = ready = selecting.ready
        make = ready.problem.Predictions
        self._ends = [len(of_fold) for of_fold in picks]
        self._n_members = 0
        #: By part and fold, what gives the ensemble of a member more, and the one that there is now.
        self._growing: dict[str, list[Iterator[Any]]] = {}
        self._grown: dict[str, list[Any]] = {}
        for part in ("valid", "test") if ready.has_test_set else ("valid",):
            grown = []
            for fold, of_fold in enumerate(picks):
                rows = ready.folds[fold][1] if part == "valid" else None
                predictions = _Predictions(make, members, fold, "train" if part == "valid" else "test", rows)
                grown.append(selecting.ensembles.growing(make(n_samples=1), predictions, of_fold))
            self._growing[part] = grown
            self._grown[part] = [None] * len(picks)

    def scores(self, metrics: list[Any], n_members: int, book: Book) -> list[dict[str, Any]]:
        """By metric, on `valid` and `test`; None where there is nothing to score."""
        self._grow(n_members)
        make, found = self._ready.problem.Predictions, {}
        for part, grown in self._grown.items():
            bag = Bag(make, self._ready.y_train if part == "valid" else self._ready.y_test)
            for fold, predictions in enumerate(grown):
                if predictions is not None:
                    bag.add(predictions, self._ready.folds[fold][1] if part == "valid" else None)
            found[part] = bag.scores(metrics, book, f"an ensemble of {n_members}, {part}")
        names = [str(metric.name) for metric in metrics]
        return [{"metric": name, "valid": found["valid"][name], "test": found.get("test", {}).get(name)} for name in names]

    def _grow(self, n_members: int) -> None:
        for part, grown in self._growing.items():
            for fold, ensembles in enumerate(grown):
                for _ in range(self._n_members, min(n_members, self._ends[fold])):
                    self._grown[part][fold] = next(ensembles)
        self._n_members = n_members


def _curve_points(longest: int) -> Iterator[int]:
    """The numbers of members that the curve shows: the first, the last, and not all between them."""
    number = 1
    while number < longest:
        yield number
        number = number + 1 if number < _DENSE else max(number + 1, round(number * 2 ** (1 / _TO_A_DOUBLING)))
    if longest:
        yield longest
