"""A forecast, as in RAMP's El Nino: X is an xarray.Dataset, longer than y by its burn-in."""

import os

import rampwf as rw
import xarray as xr

problem_title = 'El Nino forecast, the RAMP way'
Predictions = rw.prediction_types.make_regression()
# The workflow changes the future of X and looks whether features of the past change, too.
workflow = rw.workflows.ElNino(check_sizes=[66, 40], check_indexs=[50, 12])
score_types = [
    rw.score_types.RMSE(name='rmse', precision=3),
    rw.score_types.RelativeRMSE(name='rel_rmse', precision=3),
    rw.score_types.NormalizedRMSE(name='n_rmse', precision=3),
]
cv = rw.cvs.TimeSeries(n_cv=3, cv_block_size=0.5, period=12, unit='month', unit_2='year')
get_cv = cv.get_cv


def _read_data(path, f_name):
    X_ds = xr.open_dataset(os.path.join(path, 'data', f_name), decode_times=False)
    with open(os.path.join(path, 'data', 'n_burn_in.txt')) as burn_in_file:
        n_burn_in = int(burn_in_file.read())
    y_array = X_ds['target'].values[n_burn_in:].astype('float64')
    X_ds = X_ds.drop_vars('target')
    X_ds.attrs = {'n_burn_in': n_burn_in}
    return X_ds, y_array


def get_train_data(path='.'):
    return _read_data(path, 'el_nino_train.nc')


def get_test_data(path='.'):
    return _read_data(path, 'el_nino_test.nc')
