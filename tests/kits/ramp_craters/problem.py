"""Detections, as in RAMP's Mars craters: y is an array of lists of (row, column, radius)."""

import os

import numpy as np
import pandas as pd
import rampwf as rw
from sklearn.model_selection import ShuffleSplit

problem_title = 'Craters, the RAMP way'
Predictions = rw.prediction_types.make_detection()
workflow = rw.workflows.ObjectDetector()
score_types = [
    rw.score_types.OSPA(),
    rw.score_types.SCP(shape=(30, 30), minipatch=[0, 30, 0, 30]),
    rw.score_types.DetectionAveragePrecision(name='ap'),
    rw.score_types.DetectionPrecision(name='prec'),
    rw.score_types.DetectionRecall(name='rec'),
    rw.score_types.MADCenter(name='mad_center'),
    rw.score_types.MADRadius(name='mad_radius'),
]


def get_cv(X, y):
    # Pictures are in several validation sets, so that their detections are merged.
    return ShuffleSplit(n_splits=3, test_size=0.5, random_state=2).split(X)


def _read_data(path, part):
    X = np.load(os.path.join(path, 'data', 'data_{}.npy'.format(part)), mmap_mode='r')
    labels = pd.read_csv(os.path.join(path, 'data', 'labels_{}.csv'.format(part)))
    counts = labels.groupby('i').size().reindex(range(len(X)), fill_value=0).values
    ends = np.cumsum(counts)
    craters = labels[['row_p', 'col_p', 'radius_p']].values
    y = np.empty(len(X), dtype=object)
    y[:] = [[tuple(crater) for crater in craters[end - n:end]] for n, end in zip(counts, ends)]
    return X, y


def get_train_data(path='.'):
    return _read_data(path, 'train')


def get_test_data(path='.'):
    return _read_data(path, 'test')
