"""Kits of a series in time."""

from __future__ import annotations

from tests.support.workflow_kits.kit import HEAD, REGRESSOR_FILE, Kit

_SERIES = """
N_BURN_IN = 4
score_types = [rw.score_types.RMSE(name="rmse")]


def get_cv(X, y):
    return TimeSeriesSplit(2).split(y)


def read(path, seed, n):
    random = np.random.RandomState(seed)
    level = np.cumsum(random.normal(size=(n + N_BURN_IN + 1, 2, 2)), axis=0)
    X = series(level[:-1])
    X.attrs["n_burn_in"] = N_BURN_IN
    return X, level.mean(axis=(1, 2))[N_BURN_IN + 1:]

"""
#: Fits to all rows but the last ones, which RAMP pairs with the targets of their neighbours.
_REGRESSOR_OF_SERIES = """
from sklearn.linear_model import Ridge

class Regressor:
    def fit(self, X, y):
        self.ridge = Ridge().fit(X[:-4], y[:-4])

    def predict(self, X):
        return self.ridge.predict(X)
"""
_EXTRACTOR_OF_SERIES = """
import numpy as np

class FeatureExtractor:
    def transform(self, X):
        level = X["level"].values.mean(axis=(1, 2))
        n_burn_in = X.n_burn_in
        return np.column_stack([level[n_burn_in - lag:len(level) - lag] for lag in range(n_burn_in + 1)])
"""
_DATASET = """
import xarray as xr


def series(level):
    n = len(level)
    return xr.Dataset(
        {"level": (("time", "lat", "lon"), level), "month": ("time", np.arange(n) % 12.0)},
        coords={"time": np.arange(n) * 3},
    )

"""
EL_NINO = Kit(
    f"{HEAD}Predictions = rw.prediction_types.make_regression(){_SERIES}{_DATASET}"
    "workflow = rw.workflows.ElNino(check_sizes=[15, 12], check_indexs=[10, 3])",
    {"ts_feature_extractor.py": _EXTRACTOR_OF_SERIES, "regressor.py": _REGRESSOR_OF_SERIES},
    needs="xarray",
)
#: With what RAMP's check against looking ahead fails for: integers, and a variable that is the same at all times.
EL_NINO_OF_ALL_KINDS = Kit(
    EL_NINO.problem.replace("% 12.0)", '% 12), "height": ("lat", [1.0, 2.0])'),
    EL_NINO.submission,
    needs="xarray",
    is_ramps=False,
)
TS_FEATURE_EXTRACTOR = Kit(
    f"{HEAD}Predictions = rw.prediction_types.make_regression(label_names=list('abcde')){_SERIES}{_DATASET}".replace(
        "return X, level.mean(axis=(1, 2))[N_BURN_IN + 1:]",
        "return X, np.repeat(level.mean(axis=(1, 2))[N_BURN_IN + 1:, np.newaxis], 5, axis=1)",
    )
    + "workflow = rw.workflows.TimeSeriesFeatureExtractor([15], [10], ['my_features'])",
    {"my_features.py": _EXTRACTOR_OF_SERIES},
    needs="xarray",
)
SERIES_IN_A_FRAME = Kit(
    f"{HEAD}Predictions = rw.prediction_types.make_regression(){_SERIES}"
    """
def series(level):
    weather = np.where(np.arange(len(level)) % 3 == 0, "rain", "sun")
    index = pd.date_range("2020-01-01", periods=len(level), freq="D", name="day")
    return pd.DataFrame({"level": level.mean(axis=(1, 2)), "weather": weather}, index=index)


workflow = rw.workflows.ElNino(check_sizes=[15, 12], check_indexs=[10, 3])
""",
    {
        "ts_feature_extractor.py": """
import pandas as pd

class FeatureExtractor:
    def fit(self, X, y):
        assert len(X) == len(y) + 4

    def transform(self, X):
        lagged = [X["level"].shift(lag) for lag in range(5)]
        return pd.concat([*lagged, X["weather"] == "rain"], axis=1).iloc[X.attrs["n_burn_in"]:].to_numpy(dtype=float)
""",
        "regressor.py": REGRESSOR_FILE,
    },
    is_ramps=False,
)
