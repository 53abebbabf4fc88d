"""Fold schemes that scikit-learn does not have; `get_cv(X, y)` of a kit may return what theirs returns.

Where they differ from ramp-workflow 0.7: nothing is printed about the blocks of a time series, and what can't be cut is an error
in words.
"""

from palio.cvs.clustering import Clustering
from palio.cvs.time_series import TimeSeries

__all__ = ["Clustering", "TimeSeries"]
