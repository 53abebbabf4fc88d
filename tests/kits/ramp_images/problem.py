"""Pictures, as in RAMP's pollinating insects: X is a folder with ids, and submissions read the files themselves."""

import os

import pandas as pd
import rampwf as rw
from sklearn.model_selection import StratifiedShuffleSplit

problem_title = 'Stripes, the RAMP way'
_prediction_label_names = [0, 1, 2]
Predictions = rw.prediction_types.make_multiclass(label_names=_prediction_label_names)
workflow = rw.workflows.ImageClassifier(test_batch_size=4, chunk_size=8, n_jobs=2, n_classes=3)
score_types = [
    rw.score_types.Accuracy(name='acc', precision=3),
    rw.score_types.NegativeLogLikelihood(name='nll', precision=3),
]


def get_cv(folder_X, y):
    _, X = folder_X
    return StratifiedShuffleSplit(n_splits=3, test_size=0.3, random_state=57).split(X, y)


def _read_data(path, f_name):
    df = pd.read_csv(os.path.join(path, 'data', f_name))
    X = df['id'].values
    y = df['class'].values
    folder = os.path.join(path, 'data', 'imgs')
    return (folder, X), y


def get_train_data(path='.'):
    return _read_data(path, 'train.csv')


def get_test_data(path='.'):
    return _read_data(path, 'test.csv')
