"""A kit as RAMP's users write them: ramp-workflow only, nothing of Palio."""

import os

import pandas as pd
import rampwf as rw
from sklearn.model_selection import ShuffleSplit

problem_title = 'Iris species, the RAMP way'
_labels = ['setosa', 'versicolor', 'virginica']

Predictions = rw.prediction_types.make_multiclass(label_names=_labels)
workflow = rw.workflows.Classifier()
score_types = [
    rw.score_types.Accuracy(name='acc'),
    rw.score_types.ClassificationError(name='error'),
    rw.score_types.NegativeLogLikelihood(name='nll'),
    rw.score_types.F1Above(name='f1_70', threshold=0.7),
    rw.score_types.NormalizedGini(name='ngini', precision=3),
    rw.score_types.BalancedAccuracy(name='bac', precision=3),
    rw.score_types.MacroAveragedRecall(name='mar', precision=3),
]


def get_cv(X, y):
    folds = ShuffleSplit(n_splits=2, test_size=0.2, random_state=57)
    return folds.split(X)


def _read_data(path, name):
    flowers = pd.read_csv(os.path.join(path, 'data', name))
    y = flowers.pop('species').to_numpy(dtype=object)
    X = flowers.to_numpy()
    if os.environ.get('RAMP_TEST_MODE'):
        return X[:30], y[:30]
    return X, y


def get_train_data(path='.'):
    return _read_data(path, 'train.csv')


def get_test_data(path='.'):
    return _read_data(path, 'test.csv')
