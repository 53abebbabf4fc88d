"""The fold as third argument of `test_submission`, with a workflow from `external_imports/`."""

import os

import pandas as pd
import rampwf as rw
from gap_workflow import GapRegressor
from sklearn.model_selection import ShuffleSplit

problem_title = 'Tides with gaps, the RAMP way'
Predictions = rw.prediction_types.make_regression()
workflow = GapRegressor()
score_types = [rw.score_types.RMSE(name='rmse', precision=3)]


def get_cv(X, y):
    return ShuffleSplit(n_splits=3, test_size=0.3, random_state=6).split(X)


def _read_data(path, f_name):
    data = pd.read_csv(os.path.join(path, 'data', f_name))
    return data[['hour']].values, data['tide'].values


def get_train_data(path='.'):
    return _read_data(path, 'train.csv')


def get_test_data(path='.'):
    return _read_data(path, 'test.csv')
