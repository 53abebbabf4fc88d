"""Eight folds, the RAMP way: ramp-workflow only, nothing of Palio."""

import numpy as np
import rampwf as rw
from sklearn.model_selection import KFold

problem_title = 'Eight folds'
_labels = [0, 1]

Predictions = rw.prediction_types.make_multiclass(label_names=_labels)
workflow = rw.workflows.Classifier()
score_types = [
    rw.score_types.Accuracy(name='acc'),
    rw.score_types.NegativeLogLikelihood(name='nll'),
]


def get_cv(X, y):
    return KFold(n_splits=8, shuffle=True, random_state=57).split(X)


def _make_data(seed, n_rows):
    random = np.random.RandomState(seed)
    X = random.normal(size=(n_rows, 4))
    return X, (X[:, 0] + random.normal(0, 0.5, size=n_rows) > 0).astype(int)


def get_train_data(path='.'):
    return _make_data(61, 400)


def get_test_data(path='.'):
    return _make_data(62, 200)
