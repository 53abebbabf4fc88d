"""A submission with data of its own, as in RAMP's bike counters: `external_data.csv` is an element."""

import os

import pandas as pd
import rampwf as rw
from sklearn.model_selection import TimeSeriesSplit

problem_title = 'Bike count prediction, the RAMP way'
_target_column_name = 'log_bike_count'
Predictions = rw.prediction_types.make_regression()
workflow = rw.workflows.EstimatorExternalData()
score_types = [rw.score_types.RMSE(name='rmse', precision=3), rw.score_types.MARE(name='mare')]


def get_cv(X, y):
    # The first rows are in no validation set: bagged scores leave them out.
    return TimeSeriesSplit(n_splits=3).split(X)


def _read_data(path, f_name, data_label=None):
    folder = os.path.join(path, 'data') if data_label is None else os.path.join(path, 'data', data_label)
    data = pd.read_csv(os.path.join(folder, f_name), parse_dates=['date'])
    data = data.sort_values(['date', 'counter_name']).reset_index(drop=True)
    data['counter_name'] = data['counter_name'].astype('category')
    y = data[_target_column_name]
    return data.drop([_target_column_name], axis=1), y


def get_train_data(path='.', data_label=None):
    return _read_data(path, 'train.csv', data_label)


def get_test_data(path='.', data_label=None):
    return _read_data(path, 'test.csv', data_label)
