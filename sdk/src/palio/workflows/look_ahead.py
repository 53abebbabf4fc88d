"""Whether the features of a series look into its future.

X is changed from some time on; features of the times before must stay as they are, to the last bit. How the check is kept
from being passed by a submission that looks ahead all the same:

- Features are compared with those of a series of the same length, since results may depend in their last digits on shapes;
  then nothing but equality has to be accepted, and nothing can be hidden in last digits.
- All changed series are shown before the real one. Who remembers them remembers a future that never comes.
- One place is drawn anew each time over the whole length, where neither length nor values tell which series is the real one.

A submission shares its process with the check and can always break it; what it cannot do is pass by carelessness.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from palio.workflows.series import between, burn_in, n_times, with_other_future

Transform = Callable[[Any], Any]


def checked_features(transform: Transform, X: Any, checks: Iterable[tuple[int, int]], n_random_checks: int = 1) -> Any:
    """What `transform` makes of the series X; raises ValueError, in words for the participant, if it looks ahead.

    Each of `checks` is `(size, index)`, counted in rows of features: X is cut after `size` rows, which saves time, and changed
    from row `index` on. `n_random_checks` more are made over the whole length, each at a row that is drawn anew.
    """
    # Not of the seed that a submission can know; features that pass are the same whatever is drawn.
    random = np.random.default_rng()
    n_burn_in, n_all = burn_in(X), n_times(X)
    places = [(min(n_burn_in + size, n_all), index) for size, index in checks]
    if n_all - n_burn_in > 1:
        places += [(n_all, int(row)) for row in random.integers(1, n_all - n_burn_in, n_random_checks)]
    # The shorter first: after the real series is compared, at last, the submission is called no more and can change nothing in it.
    others = [
        (stop, index, _features(transform(with_other_future(X, n_burn_in + index, random, stop))))
        for stop, index in sorted(places)
        if n_burn_in + index < stop
    ]
    # Of what the submission does not have in its hands.
    untouched = between(X, 0, n_all) if others else X
    features = transform(X)
    for stop, index, other in others:
        own = features if stop == n_all else transform(between(untouched, 0, stop))
        _compare(transform, between(untouched, 0, stop), other, _features(own), index)
    return features


def _compare(transform: Transform, X: Any, other: npt.NDArray[Any], own: npt.NDArray[Any], index: int) -> None:
    """Raise ValueError unless the features before row `index` are the same; X is a copy of the unchanged series."""
    first = _first_difference(other, own, index)
    if first is None:
        return
    again = _first_difference(_features(transform(X)), own, index)
    if again is not None:
        raise ValueError(
            f"The feature extractor makes other features of the same X each time, first in row {again}; so it cannot be told "
            "whether it looks ahead. Fix its seeds, and keep nothing from one call to the next."
        )
    raise ValueError(
        f"The feature extractor looks at least {index - first} time steps ahead: when X was changed from row {index} on, the "
        f"features of row {first} changed as well. The features of a row may use X up to the time of that row, and nothing later."
    )


def _first_difference(some: npt.NDArray[Any], others: npt.NDArray[Any], index: int) -> int | None:
    """The first row before `index` in which two (n_rows, n_features) differ; NaN are equal to each other."""
    if some.shape != others.shape:
        return 0
    some, others = some[:index], others[:index]
    if object in (some.dtype, others.dtype):
        differs = ~np.frompyfunc(_is_same, 2, 1)(some, others).astype(bool)
    else:
        # NaN is the one value that differs from itself.
        differs = (some != others) & ((some == some) | (others == others))  # noqa: PLR0124
    rows = np.flatnonzero(differs.any(axis=1))
    return int(rows[0]) if rows.size else None


def _is_same(some: Any, other: Any) -> bool:
    """Whether two values of any kind are equal or both missing, as None, NaN or pandas' NA."""
    try:
        return bool(some is other or some == other or (some != some and other != other))  # noqa: PLR0124
    except TypeError:
        # Whether NA is equal to anything, pandas refuses to say.
        return False


def _features(features: Any) -> npt.NDArray[Any]:
    """A copy as (n_rows, n_features): what a submission does to its own later changes nothing."""
    dense = features.toarray() if hasattr(features, "toarray") else features
    array = np.array(dense)
    return array.reshape(len(array), -1)
