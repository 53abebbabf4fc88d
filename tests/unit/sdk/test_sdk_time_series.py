"""Series in time: which times belong to which rows, and features that look ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio.workflows import TimeSeriesFeatureExtractor
from palio.workflows.look_ahead import checked_features
from palio.workflows.series import with_other_future

N_BURN_IN, N_ROWS = 3, 40
Transform = Callable[[Any], Any]


def _series(n_rows: int = N_ROWS, n_burn_in: int = N_BURN_IN) -> pd.DataFrame:
    random = np.random.default_rng(3)
    n = n_rows + n_burn_in
    level = np.where(random.random(n) < 0.4, np.nan, random.normal(size=n))
    frame = pd.DataFrame({"level": level, "steps": random.integers(0, 50, n), "sky": random.choice(["sun", "rain"], n)})
    frame["note"] = pd.array([None if missing else "dry" for missing in np.isnan(level)], dtype="string")
    frame.attrs["n_burn_in"] = n_burn_in
    return frame


def _shifted(column: str, lag: int) -> Transform:
    """A feature that is the column `lag` times ago; ahead if negative."""
    return lambda series: series[column].shift(lag).iloc[series.attrs["n_burn_in"] :].to_frame()


@given(lag=st.integers(0, N_BURN_IN), column=st.sampled_from(["level", "steps", "sky", "note"]))
def test_features_that_look_back_pass_whatever_their_kind_and_with_missing_values(lag: int, column: str) -> None:
    transform = _shifted(column, lag)
    features = checked_features(transform, _series(), [(20, 10), (60, 30)], n_random_checks=3)
    pd.testing.assert_frame_equal(features, transform(_series()))


@given(lag=st.integers(1, 12), column=st.sampled_from(["level", "steps"]))
def test_features_that_look_ahead_are_told_how_far_at_least(lag: int, column: str) -> None:
    with pytest.raises(ValueError, match=r"looks at least (\d+) time steps ahead: when X was changed from row \d+ on") as caught:
        checked_features(_shifted(column, -lag), _series(), [(30, 15)], n_random_checks=40)
    assert 1 <= int(str(caught.value).split("at least ")[1].split()[0]) <= lag


def _in_last_digits(series: pd.DataFrame) -> Any:
    return 1 + 1e-15 * series["steps"].shift(-3).fillna(0).to_numpy()[N_BURN_IN:]


def _missing_later(series: pd.DataFrame) -> Any:
    return series["level"].isna().to_numpy()[::-1][: len(series) - N_BURN_IN]


def _rain_later(series: pd.DataFrame) -> Any:
    return (series["sky"].shift(-1) == "rain").to_numpy()[N_BURN_IN:]


def _missing_word_next(series: pd.DataFrame) -> Any:
    return series[["note"]].shift(-1).iloc[N_BURN_IN:]


def _mean_of_all(series: pd.DataFrame) -> Any:
    return np.full(len(series) - N_BURN_IN, series["level"].mean())


def _far_from_the_given_places(series: pd.DataFrame) -> Any:
    features = series["steps"].to_numpy()[N_BURN_IN:].copy()
    features[25:] = features[-1]
    return features


def _only_of_the_whole(series: pd.DataFrame) -> Any:
    return series["steps"].shift(-1 if len(series) == N_ROWS + N_BURN_IN else 0).to_numpy()[N_BURN_IN:]


def _changes(series: pd.DataFrame) -> Any:
    # The same if one number is added to the whole future.
    return series["steps"].diff().shift(-5).to_numpy()[N_BURN_IN:]


@pytest.mark.parametrize(
    "transform",
    [
        _in_last_digits,
        _missing_later,
        _rain_later,
        _missing_word_next,
        _mean_of_all,
        _far_from_the_given_places,
        _only_of_the_whole,
        _changes,
    ],
)
def test_ways_to_look_ahead_are_found(transform: Transform) -> None:
    with pytest.raises(ValueError, match="looks at least"):
        # So many random places that chance plays no part.
        checked_features(transform, _series(), [(20, 10)], n_random_checks=60)


def test_the_first_series_that_is_seen_is_not_the_real_one() -> None:
    kept: list[Any] = []

    def remembering(series: pd.DataFrame) -> Any:
        kept.append(_shifted("steps", -1)(series))
        return kept[0]

    features = checked_features(remembering, _series(), [])
    assert not features.equals(_shifted("steps", -1)(_series()))


def test_features_that_are_changed_after_they_were_returned_are_found() -> None:
    whole = np.zeros(N_ROWS)

    def changing(series: pd.DataFrame) -> Any:
        if len(series) < N_ROWS + N_BURN_IN:
            # The real series was there before: now the features that were made of it look ahead.
            whole[:-1] = whole[1:].copy()
            return series["steps"].to_numpy()[N_BURN_IN:]
        whole[:] = series["steps"].to_numpy()[N_BURN_IN:]
        return whole

    with pytest.raises(ValueError, match="The feature extractor"):
        checked_features(changing, _series(), [(20, 10)])


def test_features_that_differ_from_call_to_call_are_called_that() -> None:
    random = np.random.default_rng(1)
    with pytest.raises(ValueError, match=r"other features of the same X each time, first in row 0; .* Fix its seeds"):
        checked_features(lambda series: random.normal(size=len(series) - N_BURN_IN), _series(), [(20, 10)])


def test_a_feature_extractor_may_change_what_it_is_given() -> None:
    def changing(series: pd.DataFrame) -> Any:
        series["more"] = series["steps"] + 1
        series["steps"] = 0
        return series["more"].to_numpy()[series.attrs["n_burn_in"] :]

    expected = _series()["steps"].to_numpy()[N_BURN_IN:] + 1
    assert checked_features(changing, _series(), [(20, 10)]).tolist() == expected.tolist()


def test_a_series_too_short_for_a_check_passes() -> None:
    assert len(checked_features(_shifted("steps", 0), _series(1), [(20, 10)])) == 1


@given(start=st.integers(0, N_ROWS), seed=st.integers(0, 2**32 - 1))
def test_another_future_leaves_the_past_the_times_and_the_kinds_as_they_are(start: int, seed: int) -> None:
    series = _series()
    changed = with_other_future(series, start, np.random.default_rng(seed))
    pd.testing.assert_frame_equal(changed.iloc[:start], series.iloc[:start])
    assert changed.index.equals(series.index)
    assert changed.dtypes.equals(series.dtypes)
    assert changed.attrs == series.attrs
    assert not changed["level"].iloc[start:].equals(series["level"].iloc[start:])


def _workflow() -> TimeSeriesFeatureExtractor:
    return TimeSeriesFeatureExtractor([20], [10])


def test_training_rows_come_with_the_times_before_them() -> None:
    series = _series()
    part = _workflow().take(series, range(5, 12))
    assert part.index.tolist() == list(range(5, 12 + N_BURN_IN))
    assert part.attrs == {"n_burn_in": N_BURN_IN}
    assert _workflow().n_rows(part) == 7


@pytest.mark.parametrize("rows", [[0, 2], [2, 1], [], np.arange(N_ROWS) != 7])
def test_training_rows_with_gaps_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match="must be consecutive"):
        _workflow().take(_series(), rows)


def test_a_kit_that_does_not_say_how_long_its_burn_in_is_is_told() -> None:
    with pytest.raises(ValueError, match=r"must set X\.attrs\['n_burn_in'\]"):
        _workflow().take(pd.DataFrame({"level": [1.0, 2.0]}), [0])


def test_rows_of_the_burn_in_are_no_features(tmp_path: Path) -> None:
    source = "class FeatureExtractor:\n    def transform(self, X):\n        return X\n"
    (tmp_path / "ts_feature_extractor.py").write_text(source)
    model = _workflow().train_submission(tmp_path, _series(), np.zeros(N_ROWS))
    with pytest.raises(ValueError, match=r"ts_feature_extractor.py must return 20 rows of features, .* it returned 23\."):
        _workflow().test_submission(model, _series())
