"""Clusters within events, as in RAMP's particle tracking; the data are made when they are asked for."""

import numpy as np
import rampwf as rw

problem_title = 'Tracks of particles, the RAMP way'
Predictions = rw.prediction_types.make_clustering()
workflow = rw.workflows.Clusterer()
score_types = [rw.score_types.ClusteringEfficiency(name='efficiency', precision=3)]
cv = rw.cvs.Clustering(n_cv=3, cv_test_size=0.5, random_state=57)
get_cv = cv.get_cv


def _make_data(seed, n_events):
    random = np.random.RandomState(seed)
    X, y = [], []
    for event in range(n_events):
        # Some tracks are so near each other that they are taken for one.
        for cluster, angle in enumerate(np.cumsum(random.uniform(0.2, 1.4, size=4))):
            for radius in range(1, 8):
                phi = angle + random.normal(0, 0.12)
                X.append((event, radius * np.cos(phi), radius * np.sin(phi)))
                y.append((event, cluster))
    return np.array(X), np.array(y)


def get_train_data(path='.'):
    return _make_data(61, 12)


def get_test_data(path='.'):
    return _make_data(62, 5)
