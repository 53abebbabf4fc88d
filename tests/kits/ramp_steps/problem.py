"""Steps of walks, as in RAMP's human locomotion: X and y are lists, and the kit has a workflow, predictions and a metric of its own."""

import json
import os

import numpy as np
import rampwf as rw
from rampwf.prediction_types.base import BasePrediction
from rampwf.score_types.base import BaseScoreType
from rampwf.utils.importing import import_module_from_source
from sklearn.model_selection import KFold

problem_title = 'Steps of walks, the RAMP way'


class Predictions(BasePrediction):
    """For each walk a list of steps, each a tuple of its first sample and the one after its last."""

    def __init__(self, y_pred=None, y_true=None, n_samples=None, fold_is=None):
        self.y_pred = np.empty(n_samples or 0, dtype=object)
        for rows in (y_pred, y_true):
            if rows is not None:
                rows = list(rows) if fold_is is None else [rows[i] for i in fold_is]
                self.y_pred = np.empty(len(rows), dtype=object)
                self.y_pred[:] = rows

    @property
    def valid_indexes(self):
        return np.array([steps is not None for steps in self.y_pred])

    @classmethod
    def combine(cls, predictions_list, index_list=None):
        # Of the folds that predicted a walk, the first counts.
        rows = [next((steps for steps in found if steps is not None), None) for found in zip(*[p.y_pred for p in predictions_list])]
        return cls(y_pred=rows)


class StepOverlap(BaseScoreType):
    """The share of samples on which truth and prediction agree whether there is a step."""

    is_lower_the_better = False
    minimum = 0.0
    maximum = 1.0

    def __init__(self, name='overlap', precision=3):
        self.name = name
        self.precision = precision

    def __call__(self, y_true, y_pred):
        return float(np.mean([self._agreement(true, pred) for true, pred in zip(y_true, y_pred)]))

    def _agreement(self, true, pred):
        length = 1 + max([end for _, end in [*true, *pred]], default=0)
        return np.mean(self._mask(true, length) == self._mask(pred, length))

    def _mask(self, steps, length):
        mask = np.zeros(length, dtype=bool)
        for start, end in steps:
            mask[start:end] = True
        return mask


class StepDetector(object):
    def __init__(self, workflow_element_names=['step_detector']):
        self.element_names = workflow_element_names

    def train_submission(self, module_path, X, y, train_is=None):
        module = import_module_from_source(os.path.join(module_path, 'step_detector.py'), 'step_detector', sanitize=True)
        rows = range(len(X)) if train_is is None else train_is
        detector = module.StepDetector()
        detector.fit([X[i] for i in rows], [y[i] for i in rows])
        return detector

    def test_submission(self, trained_model, X):
        return trained_model.predict(X)


workflow = StepDetector()
score_types = [StepOverlap()]


def get_cv(X, y):
    return KFold(n_splits=3).split(np.arange(len(X)))


def _read_data(path, f_name):
    with open(os.path.join(path, 'data', f_name)) as file:
        walks = json.load(file)
    X = [np.array(walk['signal']) for walk in walks]
    y = [[tuple(step) for step in walk['steps']] for walk in walks]
    return X, y


def get_train_data(path='.'):
    return _read_data(path, 'train.json')


def get_test_data(path='.'):
    return _read_data(path, 'test.json')
